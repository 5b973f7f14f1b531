// safetensors and npy: values, and every way a file can be wrong that the readers name.
#include "base/io/tensor_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/io/file.h"

namespace rdusim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<uint8_t> safetensors(const std::string& header, size_t data_bytes, uint8_t fill = 0) {
  std::vector<uint8_t> out;
  for (int i = 0; i < 8; ++i)
    out.push_back(static_cast<uint8_t>(static_cast<uint64_t>(header.size()) >> (8 * i)));
  out.insert(out.end(), header.begin(), header.end());
  out.insert(out.end(), data_bytes, fill);
  return out;
}

std::string open_error(const std::vector<uint8_t>& bytes) {
  const auto file = SafetensorsFile::from_bytes(bytes, "m.safetensors");
  return file.ok() ? "no error" : file.error().to_string();
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape, int begin,
                  int end) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})", name, dtype, shape, begin,
                     end);
}

template <typename T>
void append(std::vector<uint8_t>& bytes, std::initializer_list<T> values) {
  for (const T value : values) {
    const auto* raw = reinterpret_cast<const uint8_t*>(&value);
    bytes.insert(bytes.end(), raw, raw + sizeof(T));
  }
}

std::vector<uint8_t> mixed_file() {
  const std::vector<std::string> entries = {
      entry("b", "F32", "[2]", 0, 8),    entry("a", "BF16", "[1,2]", 8, 12), entry("h", "F16", "[2]", 12, 16),
      entry("i", "I64", "[1]", 16, 24),  entry("d", "F64", "[]", 24, 32),    entry("u", "U8", "[3]", 32, 35),
      entry("z", "F32", "[0,7]", 35, 35)};
  auto bytes =
      safetensors(fmt::format(R"({{{},"__metadata__":{{"format":"pt"}}}})", fmt::join(entries, ",")), 0);
  append<float>(bytes, {1.5F, -2.0F});
  append<uint16_t>(bytes, {0x3F80, 0xC000, 0x3C00, 0xC000});
  append<int64_t>(bytes, {-77});
  append<double>(bytes, {0.25});
  append<uint8_t>(bytes, {1, 0, 255});
  return bytes;
}

TEST(Safetensors, ReadsEveryStoredType) {
  const auto file = SafetensorsFile::from_bytes(mixed_file(), "m.safetensors");
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_THAT(file->read("b")->values, ElementsAre(1.5F, -2.0F));
  EXPECT_THAT(file->read("a")->values, ElementsAre(1.0F, -2.0F));
  EXPECT_THAT(file->read("h")->values, ElementsAre(1.0F, -2.0F));
  EXPECT_THAT(file->read("i")->values, ElementsAre(-77.0F));
  EXPECT_THAT(file->read("d")->values, ElementsAre(0.25F));
  EXPECT_THAT(file->read("u")->values, ElementsAre(1.0F, 0.0F, 255.0F));
  EXPECT_TRUE(file->read("z")->values.empty());
  EXPECT_EQ(file->entries().front().name, "a");
  EXPECT_EQ(file->find("a")->shape, (Shape{{1, 2}}));
  EXPECT_EQ(file->find("u")->stored_type, "U8");
  EXPECT_THAT(file->read("c").error().to_string(), HasSubstr("no tensor `c`"));
}

TEST(Safetensors, FromDiskEqualsFromMemory) {
  const std::string path =
      (std::filesystem::path(::testing::TempDir()) / "rdusim_mixed.safetensors").string();
  const std::vector<uint8_t> bytes = mixed_file();
  ASSERT_TRUE(
      write_file_atomically(path, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()))
          .ok());
  const auto disk = SafetensorsFile::open(path);
  ASSERT_TRUE(disk.ok()) << disk.error().to_string();
  const auto memory = SafetensorsFile::from_bytes(bytes, "m");
  for (const TensorEntry& e : disk->entries())
    EXPECT_EQ(disk->read(e.name)->values, memory->read(e.name)->values);
  std::filesystem::resize_file(path, bytes.size() - 1);
  EXPECT_THAT(SafetensorsFile::open(path).error().to_string(), HasSubstr("lies outside the file's"));
  std::filesystem::remove(path);
  EXPECT_EQ(SafetensorsFile::open(path).error().code, ErrorCode::kNotFound);
}

class ShardedSafetensors : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::path(::testing::TempDir()) /
        (std::string("rdusim_shards_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
    write("one.safetensors", shard("a", 1.5F));
    write("two.safetensors", shard("b", -2.0F));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static std::string shard(const std::string& tensor, float value) {
    auto bytes = safetensors("{" + entry(tensor, "F32", "[1]", 0, 4) + "}", 0);
    append<float>(bytes, {value});
    return {bytes.begin(), bytes.end()};
  }
  void write(const std::string& name, const std::string& text) const {
    ASSERT_TRUE(write_file_atomically((folder_ / name).string(), text).ok());
  }
  void index(const std::string& map) const {
    write("model.safetensors.index.json", R"({"metadata": {"total_size": 8}, "weight_map": {)" + map + "}}");
  }
  std::string error() const {
    const auto file = SafetensorsFile::open_model(folder_.string());
    return file.ok() ? "no error" : file.error().to_string();
  }

  std::filesystem::path folder_;
};

TEST_F(ShardedSafetensors, AreReadAsOneFile) {
  index(R"("b": "two.safetensors", "a": "one.safetensors")");
  const auto file = SafetensorsFile::open_model(folder_.string());
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_EQ(file->entries().size(), 2U);
  EXPECT_THAT(file->files(),
              ElementsAre((folder_ / "one.safetensors").string(), (folder_ / "two.safetensors").string()));
  EXPECT_THAT(file->read("a")->values, ElementsAre(1.5F));
  EXPECT_THAT(file->read("b")->values, ElementsAre(-2.0F));
  EXPECT_THAT(file->read("c").error().to_string(), HasSubstr("no tensor `c`"));
}

TEST_F(ShardedSafetensors, ASingleFileGoesFirst) {
  index(R"("b": "two.safetensors", "a": "one.safetensors")");
  write("model.safetensors", shard("c", 3.0F));
  const auto file = SafetensorsFile::open_model(folder_.string());
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_THAT(file->read("c")->values, ElementsAre(3.0F));
}

TEST_F(ShardedSafetensors, IndexAndFilesMustAgree) {
  EXPECT_THAT(error(), HasSubstr("has neither model.safetensors nor model.safetensors.index.json"));
  index(R"("a": "one.safetensors", "c": "one.safetensors")");
  EXPECT_THAT(error(), HasSubstr("no tensor `c`"));
  index(R"("a": "one.safetensors", "b": "one.safetensors")");
  EXPECT_THAT(error(), HasSubstr("no tensor `b`"));
  index(R"("a": "two.safetensors")");
  EXPECT_THAT(error(), HasSubstr("holds tensor `b`, which the index does not name"));
  index(R"("a": "one.safetensors", "b": "three.safetensors")");
  EXPECT_THAT(error(), HasSubstr("three.safetensors"));
  write("model.safetensors.index.json", R"({"weight_map": {}})");
  EXPECT_THAT(error(), HasSubstr("names no tensor"));
  write("model.safetensors.index.json", R"({"weight_map": [1]})");
  EXPECT_THAT(error(), HasSubstr("must be a map"));
}

TEST_F(ShardedSafetensors, NothingOutsideTheFolderIsOpened) {
  for (const char* const name : {"../one.safetensors", "/etc/passwd", "sub/one.safetensors", "..", ""}) {
    index(fmt::format(R"("a": "{}")", name));
    EXPECT_THAT(error(), HasSubstr("names in its own folder")) << name;
  }
}

TEST(Safetensors, BrokenLengths) {
  EXPECT_THAT(open_error({1, 2, 3}), HasSubstr("3 bytes are too few for a safetensors file"));
  auto bytes = safetensors("{}", 0);
  bytes[0] = 200;
  EXPECT_THAT(open_error(bytes), HasSubstr("header length 200 reaches beyond the file of 10 bytes"));
  bytes[7] = 0xFF;
  EXPECT_THAT(open_error(bytes), HasSubstr("reaches beyond the file"));
}

TEST(Safetensors, BrokenHeaders) {
  const auto one = [](const std::string& e, size_t data) {
    return open_error(safetensors(fmt::format("{{{}}}", e), data));
  };
  EXPECT_THAT(open_error(safetensors("[1]", 0)), HasSubstr("the header must be a map, found a list of 1"));
  EXPECT_THAT(open_error(safetensors("{", 0)), HasSubstr("m.safetensors header:1:1: error: not JSON"));
  EXPECT_THAT(one(entry("w", "F8_E4M3", "[1]", 0, 1), 1),
              HasSubstr("tensor `w`: error: unknown dtype `F8_E4M3`"));
  EXPECT_THAT(one(entry("w", "F32", "[2]", 0, 9), 9),
              HasSubstr("9 data bytes, but shape and dtype F32 need 8"));
  EXPECT_THAT(one(entry("w", "F32", "[2]", 0, 8), 7),
              HasSubstr("data [0, 8) lies outside the file's 7 data bytes"));
  EXPECT_THAT(one(entry("w", "F32", "[-2]", 0, 8), 8),
              HasSubstr("dimension -2 is negative or absurdly large"));
  EXPECT_THAT(one(entry("w", "F32", "[4611686018427387904,0,4]", 0, 0), 0), HasSubstr("absurdly large"));
  EXPECT_THAT(one(entry("w", "F32", "2", 0, 8), 8), HasSubstr("`shape` must be a list, found `2`"));
  EXPECT_THAT(one(R"("w":{"dtype":"F32","shape":[2],"data_offsets":[0]})", 8),
              HasSubstr("must be [begin, end]"));
  EXPECT_THAT(one(R"("w":{"dtype":"F32","shape":[2]})", 8), HasSubstr("missing key `data_offsets`"));
  EXPECT_THAT(one(entry("w", "F32", "[1]", 0, 4) + "," + entry("w", "F32", "[1]", 4, 8), 8),
              HasSubstr("duplicate key `w`"));
}

TEST(Safetensors, OverlapsGapsAndTails) {
  const std::string first = entry("v", "F32", "[2]", 0, 8);
  const auto two = [&](int begin, int end, size_t data) {
    return open_error(
        safetensors(fmt::format("{{{},{}}}", first, entry("w", "F32", "[1]", begin, end)), data));
  };
  EXPECT_EQ(two(8, 12, 12), "no error");
  EXPECT_THAT(two(4, 8, 8), HasSubstr("tensor `w`: error: its data overlaps tensor `v`"));
  EXPECT_THAT(two(12, 16, 16), HasSubstr("tensor `w`: error: 4 unused bytes before its data"));
  EXPECT_THAT(two(8, 12, 20), HasSubstr("8 bytes after the last tensor"));
}

TEST(Safetensors, IntegersBeyondFp32Fail) {
  auto bytes = safetensors(fmt::format("{{{}}}", entry("i", "I64", "[2]", 0, 16)), 0);
  append<int64_t>(bytes, {1 << 24, (1 << 24) + 1});
  const auto file = SafetensorsFile::from_bytes(bytes, "m");
  ASSERT_TRUE(file.ok());
  EXPECT_THAT(file->read("i").error().to_string(),
              HasSubstr("tensor `i`: error: element 1 is 16777217, beyond 2^24"));
}

std::vector<uint8_t> npy(const std::string& header, std::vector<uint8_t> data, int version = 1) {
  std::vector<uint8_t> out = {0x93, 'N', 'U', 'M', 'P', 'Y', static_cast<uint8_t>(version), 0};
  const size_t length = header.size();
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) out.push_back(static_cast<uint8_t>(length >> (8 * i)));
  out.insert(out.end(), header.begin(), header.end());
  out.insert(out.end(), data.begin(), data.end());
  return out;
}

std::string npy_error(const std::vector<uint8_t>& bytes) {
  const auto tensor = read_npy_bytes(bytes, "x.npy");
  return tensor.ok() ? "no error" : tensor.error().to_string();
}

TEST(Npy, ReadsEveryTypeAndVersion) {
  std::vector<uint8_t> f4;
  append<float>(f4, {1, 2, 3, 4, 5, 6});
  const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n";
  for (const int version : {1, 2, 3}) {
    const auto tensor = read_npy_bytes(npy(header, f4, version), "x.npy");
    ASSERT_TRUE(tensor.ok()) << tensor.error().to_string();
    EXPECT_EQ(tensor->shape, (Shape{{2, 3}}));
    EXPECT_EQ(tensor->at(1, 2), 6);
  }
  std::vector<uint8_t> i8;
  append<int64_t>(i8, {-9});
  EXPECT_EQ(
      read_npy_bytes(npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1,)}", i8), "x")->values[0], -9);
  std::vector<uint8_t> f2 = {0x00, 0x3C};
  EXPECT_EQ(read_npy_bytes(npy("{'descr': '<f2', 'fortran_order': False, 'shape': ()}", f2), "x")->values[0],
            1);
}

TEST(Npy, Errors) {
  const auto with = [](const std::string& descr, const std::string& order, const std::string& shape,
                       size_t data) {
    const std::string header =
        fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}}}", descr, order, shape);
    return npy_error(npy(header, std::vector<uint8_t>(data)));
  };
  EXPECT_EQ(with("<f4", "False", "(2,)", 8), "no error");
  EXPECT_THAT(with("<f4", "False", "(2,)", 7), HasSubstr("7 data bytes, but the header's shape needs 8"));
  EXPECT_THAT(with("<f4", "True", "(2,)", 8), HasSubstr("the array is in Fortran order"));
  EXPECT_THAT(with(">f4", "False", "(2,)", 8), HasSubstr("unsupported .npy type `>f4`"));
  EXPECT_THAT(with("<f4", "False", "(-1,)", 8), HasSubstr("dimension -1 is negative"));
  EXPECT_THAT(with("<f4", "Maybe", "(2,)", 8), HasSubstr("malformed .npy header at its byte"));
  EXPECT_THAT(npy_error({'n', 'o'}), HasSubstr("not a .npy file"));
  EXPECT_THAT(npy_error(npy("{}", {})), HasSubstr("the .npy header lacks"));
  EXPECT_THAT(npy_error(npy("{}", {}, 4)), HasSubstr("unknown .npy version 4"));
  auto truncated = npy("{'descr'", {});
  truncated[8] = 99;
  EXPECT_THAT(npy_error(truncated), HasSubstr("header length 99 reaches beyond the file of 18 bytes"));
}

}  // namespace
}  // namespace rdusim
