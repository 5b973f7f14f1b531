// The reader of ONNX files: fields of the wire format, tensors in every form, and external data that must not
// leave the model's folder.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/io/onnx_file.h"
#include "base/io/wire_reader.h"
#include "tests/support/scratch.h"

namespace rdusim {
namespace {

namespace fs = std::filesystem;

std::string varint(uint64_t n) {
  std::string out;
  for (; n > 0x7F; n >>= 7) out += static_cast<char>((n & 0x7F) | 0x80);
  return out + static_cast<char>(n);
}
std::string field(uint64_t number, const std::string& bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}
std::string field(uint64_t number, int64_t value) {
  return varint(number << 3) + varint(static_cast<uint64_t>(value));
}
std::string tensor(const std::string& name, int64_t type, const std::string& rest, int64_t size = 2) {
  return field(1, size) + field(2, type) + field(8, name) + rest;
}
std::string model(const std::string& graph) {
  return field(7, graph) + field(8, field(2, int64_t{17}));
}
std::vector<uint8_t> bytes(const std::string& text) {
  return {text.begin(), text.end()};
}
Result<OnnxFile> read(const std::string& text) {
  return OnnxFile::from_bytes(bytes(text), "f.onnx");
}
std::string error_of(const std::string& text) {
  const auto file = read(text);
  return file.ok() ? "none" : file.error().to_string();
}

TEST(WireReader, NumbersAndBytes) {
  const std::vector<uint8_t> message = bytes(field(1, int64_t{300}) + field(2, std::string("ab")));
  WireReader reader(message, 100, "f");
  const auto first = reader.next();
  ASSERT_TRUE(first.ok() && *first);
  EXPECT_EQ((*first)->number, 1U);
  EXPECT_EQ((*first)->integer(), 300);
  const auto second = reader.next();
  ASSERT_TRUE(second.ok() && *second);
  EXPECT_EQ((*second)->text(), "ab");
  EXPECT_EQ((*second)->offset, 103);
  EXPECT_FALSE(*reader.next());
}

TEST(WireReader, NegativeNumbersTakeTenBytes) {
  const std::vector<uint8_t> message = bytes(field(1, int64_t{-5}));
  EXPECT_EQ(message.size(), 11U);
  EXPECT_EQ((*WireReader(message, 0, "f").next())->integer(), -5);
}

TEST(WireReader, WhatDoesNotFitIsAnErrorWithItsPlace) {
  const auto fails = [](const std::string& text, const char* what) {
    const std::vector<uint8_t> message = bytes(text);
    const auto result = WireReader(message, 7, "f").next();
    ASSERT_FALSE(result.ok());
    EXPECT_NE(result.error().what.find(what), std::string::npos) << result.error().what;
    EXPECT_EQ(result.error().where.find("f at byte 7"), 0U) << result.error().where;
  };
  fails(std::string("\x0A\x05"
                    "abc",
                    5),
        "a field of 5 bytes where 3 are left");
  fails("\x0B", "wire type 3");
  fails(std::string("\x00\x01", 2), "number 0");
  fails("\x0D\x01\x02", "a field of 4 bytes where 2 are left");
}

TEST(WireReader, ANumberThatEndsTooLate) {
  const std::vector<uint8_t> cut = bytes("\x08");
  EXPECT_EQ(WireReader(cut, 0, "f").next().error().what, "a number ends outside its message");
  const std::vector<uint8_t> wide = bytes("\x08" + std::string(9, '\xFF') + "\x7F");
  EXPECT_EQ(WireReader(wide, 0, "f").next().error().what, "a number has more than 64 bits");
}

TEST(OnnxFile, TensorsInEveryForm) {
  const std::string halves("\x00\x3C\x00\xC0", 4);        // FP16: 1, -2
  const std::string bf16s("\x80\x3F\x40\x40", 4);         // BF16: 1, 3
  const std::string floats("\0\0\x80\x3F\0\0\0\x40", 8);  // FP32: 1, 2
  const auto file = read(model(field(5, tensor("raw", 1, field(9, floats))) +
                               field(5, tensor("typed", 1, field(4, floats))) +
                               field(5, tensor("half", 10, field(9, halves))) +
                               field(5, tensor("half typed", 10, field(5, varint(0x3C00) + varint(0xC000)))) +
                               field(5, tensor("bf16", 16, field(9, bf16s))) +
                               field(5, tensor("long", 7, field(7, varint(3) + varint(uint64_t(-4)))))));
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_EQ(file->opset(), 17);
  const auto values = [&file](const char* name) {
    const auto tensor = file->read(*file->initializer(name));
    return tensor.ok() ? tensor->values : std::vector<float>{};
  };
  EXPECT_EQ(values("raw"), (std::vector<float>{1, 2}));
  EXPECT_EQ(values("typed"), (std::vector<float>{1, 2}));
  EXPECT_EQ(values("half"), (std::vector<float>{1, -2}));
  EXPECT_EQ(values("half typed"), (std::vector<float>{1, -2}));
  EXPECT_EQ(values("bf16"), (std::vector<float>{1, 3}));
  EXPECT_EQ(values("long"), (std::vector<float>{3, -4}));
  EXPECT_EQ(file->initializer("none"), nullptr);
}

TEST(OnnxFile, FarEndsOfSlicesAreCut) {
  const auto file =
      read(model(field(5, tensor("far", 7, field(7, varint(uint64_t(INT64_MAX)) + varint(1))))));
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_EQ(file->read(*file->initializer("far"))->values, (std::vector<float>{0x1p31F, 1}));
}

TEST(OnnxFile, BadTensorsAreErrors) {
  EXPECT_NE(error_of(model(field(5, tensor("w", 1, field(9, std::string(7, '\0'))))))
                .find("7 bytes of data, its shape needs 8"),
            std::string::npos);
  EXPECT_NE(error_of(model(field(5, tensor("w", 8, "")))).find("data type 8 is not supported"),
            std::string::npos);
  EXPECT_NE(error_of(model(field(5, tensor("w", 1, "", -1)))).find("negative"), std::string::npos);
  EXPECT_NE(error_of(model(field(5, tensor("w", 9, field(9, std::string(2, '\0')))) +
                           field(5, tensor("w", 9, field(9, std::string(2, '\0'))))))
                .find("two initialisers are called w"),
            std::string::npos);
  EXPECT_NE(error_of(field(1, int64_t{8})).find("no graph"), std::string::npos);
  EXPECT_NE(error_of("{}").find("f.onnx at byte 0"), std::string::npos);
}

// ------------------------------------------------------------------------------------------------ external
// data

class ExternalData : public ::testing::Test {
 protected:
  ExternalData() {
    fs::create_directories(folder_.path("model/inside"));
    write("model/weights.bin", std::string("\0\0\x80\x3F\0\0\0\x40", 8));
    write("secret.bin", std::string(8, 'x'));
  }
  void write(const std::string& name, const std::string& text) const { folder_.write(name, text); }
  [[nodiscard]] Result<OnnxFile> open(const std::string& location, const std::string& offset = "0") const {
    const std::string entries = field(13, field(1, std::string("location")) + field(2, location)) +
                                field(13, field(1, std::string("offset")) + field(2, offset));
    write("model/m.onnx", model(field(5, tensor("w", 1, entries + field(14, int64_t{1})))));
    return OnnxFile::open(folder_.path("model/m.onnx"));
  }
  [[nodiscard]] std::string error(const std::string& location, const std::string& offset = "0") const {
    const auto file = open(location, offset);
    return file.ok() ? "none" : file.error().to_string();
  }
  test::ScratchFolder folder_;
};

TEST_F(ExternalData, InTheFolderIsRead) {
  const auto file = open("weights.bin");
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_EQ(file->read(*file->initializer("w"))->values, (std::vector<float>{1, 2}));
  EXPECT_EQ(file->files().size(), 2U);
}

TEST_F(ExternalData, OutsideTheFolderIsRefused) {
  fs::create_symlink(folder_.path("secret.bin"), folder_.path("model/link.bin"));
  fs::create_symlink(folder_.path(""), folder_.path("model/up"));
  fs::create_symlink(folder_.path("model/weights.bin"), folder_.path("model/inside/near.bin"));
  for (const std::string& location :
       {std::string("../secret.bin"), folder_.path("secret.bin"), std::string("link.bin"),
        std::string("up/secret.bin"), std::string("inside/../weights.bin"), std::string("inside"),
        std::string("none.bin"), std::string(""), std::string("weights.bin\0x", 13)}) {
    EXPECT_NE(error(location).find("external data"), std::string::npos)
        << location << ": " << error(location);
  }
  EXPECT_TRUE(open("inside/near.bin").ok()) << "a link that stays in the folder";
}

TEST_F(ExternalData, BeyondItsEndIsRefused) {
  EXPECT_NE(error("weights.bin", "4").find("8 bytes at 4"), std::string::npos);
  EXPECT_NE(error("weights.bin", "9").find("8 bytes at 9"), std::string::npos);
  EXPECT_NE(error("weights.bin", "-1").find("is no offset"), std::string::npos);
  EXPECT_NE(error("weights.bin", "99999999999999999999").find("is no offset"), std::string::npos);
}

TEST_F(ExternalData, FromMemoryThereIsNone) {
  const std::string entry =
      field(13, field(1, std::string("location")) + field(2, std::string("weights.bin")));
  EXPECT_NE(error_of(model(field(5, tensor("w", 1, entry + field(14, int64_t{1}))))).find("no folder"),
            std::string::npos);
}

}  // namespace
}  // namespace rdusim
