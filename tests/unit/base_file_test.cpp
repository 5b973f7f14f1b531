// Files, gzip, atomic writing, hashes and CSV.
#include "base/io/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>

namespace rdusim {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FileTest : public ::testing::Test {
 protected:
  FileTest() { fs::create_directories(folder_); }
  ~FileTest() override { fs::remove_all(folder_); }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void put(const std::string& name, const std::string& content) const {
    std::ofstream(path(name), std::ios::binary) << content;
  }
  fs::path folder_ =
      fs::path(::testing::TempDir()) /
      ("rdusim_file_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
};

std::string gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(text.size() + 100, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

TEST_F(FileTest, ReadsTextAndGzipWithSeveralMembers) {
  put("a.txt", "hello\n");
  put("a.txt.gz", gzip("hello ") + gzip(std::string(3'000'000, 'x')));
  EXPECT_EQ(*read_text_file(path("a.txt")), "hello\n");
  EXPECT_EQ(*read_text_file(path("a.txt.gz")), "hello " + std::string(3'000'000, 'x'));
}

TEST_F(FileTest, CorruptGzip) {
  const std::string packed = gzip(std::string(1000, 'x') + "tail");
  std::string flipped = packed;
  flipped[packed.size() / 2] = static_cast<char>(flipped[packed.size() / 2] ^ 0x55);
  put("short.gz", packed.substr(0, packed.size() - 3));
  put("flipped.gz", flipped);
  put("trailing.gz", packed + "junk");
  put("empty.gz", "");
  for (const char* name : {"short.gz", "flipped.gz", "trailing.gz", "empty.gz"}) {
    const auto text = read_text_file(path(name));
    ASSERT_FALSE(text.ok()) << name;
    EXPECT_THAT(text.error().to_string(), HasSubstr("truncated or corrupt gzip data")) << name;
  }
}

TEST_F(FileTest, SizeIsBoundedBeforeAndAfterInflation) {
  put("a.txt", "0123456789");
  put("bomb.gz", gzip(std::string(1'000'000, 'x')));
  EXPECT_THAT(read_text_file(path("a.txt"), 9).error().to_string(),
              HasSubstr("larger than the 9 bytes allowed"));
  EXPECT_TRUE(read_text_file(path("a.txt"), 10).ok());
  EXPECT_THAT(read_text_file(path("bomb.gz"), 999'999).error().to_string(),
              HasSubstr("larger than the 999999 bytes"));
}

TEST_F(FileTest, ReadErrors) {
  const auto missing = read_text_file(path("missing"));
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().to_string(), HasSubstr("cannot open: No such file"));
  EXPECT_THAT(read_binary_file(folder_.string()).error().to_string(), HasSubstr("Is a directory"));
}

TEST_F(FileTest, WritesAtomicallyAndLeavesNoTemporary) {
  put("out.json", "old");
  fs::create_symlink("out.json", folder_ / "link.json");
  ASSERT_TRUE(write_file_atomically(path("link.json"), "new").ok());
  EXPECT_EQ(*read_text_file(path("out.json")), "new");
  EXPECT_TRUE(fs::is_symlink(folder_ / "link.json"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 2);
}

TEST_F(FileTest, WriteErrors) {
  EXPECT_THAT(write_file_atomically(path("no/such/folder"), "x").error().to_string(),
              HasSubstr("cannot write"));
  EXPECT_THAT(write_file_atomically(folder_.string(), "x").error().to_string(), HasSubstr("Is a directory"));
}

TEST_F(FileTest, DevicesAreWrittenInPlace) {
  ASSERT_TRUE(write_file_atomically("/dev/null", "x").ok());
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST(Hash, Sha256KnownAnswer) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Hash, Hash64IsStable) {
  EXPECT_NE(hash64("a"), hash64("b"));
  EXPECT_NE(hash64("a", 1), hash64("a", 2));
  // Golden: such values stand in saved results, so they may never change.
  EXPECT_EQ(hash64("rdusim"), 0xE66FE28FC41AA56DULL);
}

std::string csv_error(std::string_view text) {
  const auto table = parse_csv(text, "t.csv");
  return table.ok() ? "no error" : table.error().to_string();
}

TEST(Csv, ReadsQuotesLineEndsAndLineNumbers) {
  const auto table = parse_csv("\xEF\xBB\xBFid,text\r\n1,\"a, \"\"b\"\"\nc\"\r\n\r\n2,\n", "t.csv");
  ASSERT_TRUE(table.ok()) << table.error().to_string();
  EXPECT_THAT(table->header, ElementsAre("id", "text"));
  ASSERT_EQ(table->rows.size(), 2U);
  EXPECT_THAT(table->rows[0].cells, ElementsAre("1", "a, \"b\"\nc"));
  EXPECT_THAT(table->rows[1].cells, ElementsAre("2", ""));
  EXPECT_EQ(table->rows[0].line, 2);
  EXPECT_EQ(table->rows[1].line, 5);
  EXPECT_EQ(*table->column("text"), 1U);
  EXPECT_THAT(table->column("txt").error().to_string(),
              HasSubstr("no column `txt`\n  hint: did you mean `text`?"));
}

TEST(Csv, Errors) {
  EXPECT_THAT(csv_error("a,b\n1,\"x\ny\n"), HasSubstr("t.csv:2:3: error: this quote is never closed"));
  EXPECT_THAT(csv_error("a,b\n1,x\"y\n"), HasSubstr("t.csv:2:4: error: a quote inside an unquoted cell"));
  EXPECT_THAT(csv_error("a,b\n1,\"x\"y\n"), HasSubstr("t.csv:2:6: error: text after the closing quote"));
  EXPECT_THAT(csv_error("a,b\n1\n"), HasSubstr("t.csv:2: error: expected 2 cells as in the header, found 1"));
  EXPECT_THAT(csv_error("a,a\n"), HasSubstr("t.csv:1: error: column `a` stands twice"));
  EXPECT_THAT(csv_error("\n\n"), HasSubstr("t.csv:1: error: no header row"));
}

}  // namespace
}  // namespace rdusim
