// Seeded mutations of small valid inputs through every parser: CI without clang exercises them too. The seeds
// are the files of tests/fuzz/corpus/<parser>; a mutation flips, drops, repeats, swaps in tokens, or cuts.
// None may crash or break a rule of exercise.h, and the mutations must reach both outcomes, or the test would
// test nothing.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "base/random.h"
#include "tests/fuzz/exercise.h"

namespace rdusim {
namespace {

namespace fs = std::filesystem;

constexpr int kMutationsPerParser = 10'000;

std::vector<std::string> seeds_of(const std::string& parser) {
  std::vector<std::string> paths;
  for (const auto& entry :
       fs::directory_iterator(std::string(RDUSIM_SOURCE_DIR) + "/tests/fuzz/corpus/" + parser)) {
    paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> seeds;
  for (const std::string& path : paths) {
    const auto bytes = read_binary_file(path);
    EXPECT_TRUE(bytes.ok()) << path;
    seeds.emplace_back(bytes->begin(), bytes->end());
  }
  return seeds;
}

void mutate_once(std::string& text, Random& random) {
  static const std::vector<std::string> kTokens = {"[",    "]",    "{",    "}",  ":",   ",",   "\"",
                                                   "'",    "&a",   "*a",   "-",  "#",   "\n",  "1e9",
                                                   "0x1F", "null", "true", "<<", "---", "\r\n"};
  const size_t at = text.empty() ? 0 : random.below(text.size());
  const size_t length = std::min<size_t>(1 + random.below(8), text.size() - at);
  switch (random.below(7)) {
    case 0:
      if (!text.empty()) text[at] = static_cast<char>(text[at] ^ (1 << random.below(8)));
      break;
    case 1:
      if (!text.empty()) text[at] = static_cast<char>(random.below(256));
      break;
    case 2:
      text.erase(at, length);
      break;
    case 3:
      text.insert(at, text.substr(at, length));
      break;
    case 4:
      text.insert(at, kTokens[random.below(kTokens.size())]);
      break;
    case 5:
      text.replace(at, length, kTokens[random.below(kTokens.size())]);
      break;
    default:
      if (random.below(8) == 0) text.resize(at);
      break;
  }
}

// `accepts` exercises one input and says whether it was taken.
void run(const std::string& parser, uint64_t seed, const std::function<bool(const std::string&)>& accepts) {
  const std::vector<std::string> seeds = seeds_of(parser);
  ASSERT_FALSE(seeds.empty());
  for (const std::string& text : seeds) EXPECT_TRUE(accepts(text)) << "a seed must be valid";
  Random random(seed);
  int taken = 0;
  for (int i = 0; i < kMutationsPerParser; ++i) {
    std::string text = seeds[random.below(seeds.size())];
    for (uint64_t n = 1 + random.below(4); n > 0; --n) mutate_once(text, random);
    ASSERT_NO_THROW(taken += accepts(text) ? 1 : 0) << "mutation " << i << ":\n" << text;
  }
  EXPECT_GT(taken, kMutationsPerParser / 100);
  EXPECT_LT(taken, kMutationsPerParser * 99 / 100);
}

const uint8_t* bytes_of(const std::string& text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

TEST(FuzzCorpus, Yaml) {
  run("yaml", 1, [](const std::string& text) {
    fuzz::exercise_yaml(text);
    return read_yaml_text(text, "f", fuzz::kLimits).ok();
  });
}

TEST(FuzzCorpus, Json) {
  run("json", 2, [](const std::string& text) {
    fuzz::exercise_json(text);
    return read_json_text(text, "f", fuzz::kLimits).ok();
  });
}

TEST(FuzzCorpus, Csv) {
  run("csv", 3, [](const std::string& text) {
    fuzz::exercise_csv(text);
    return parse_csv(text, "f").ok();
  });
}

TEST(FuzzCorpus, Safetensors) {
  run("safetensors", 4, [](const std::string& text) {
    fuzz::exercise_safetensors(bytes_of(text), text.size());
    return SafetensorsFile::from_bytes({text.begin(), text.end()}, "f").ok();
  });
}

TEST(FuzzCorpus, SafetensorsIndex) {
  run("safetensors_index", 11, [](const std::string& text) {
    fuzz::exercise_safetensors_index(bytes_of(text), text.size());
    return parse_safetensors_index(text, "f").ok();
  });
}

TEST(FuzzCorpus, Npy) {
  run("npy", 5, [](const std::string& text) {
    fuzz::exercise_npy(bytes_of(text), text.size());
    return read_npy_bytes({text.begin(), text.end()}, "f").ok();
  });
}

TEST(FuzzCorpus, Onnx) {
  run("onnx", 12, [](const std::string& text) {
    fuzz::exercise_onnx(bytes_of(text), text.size());
    return OnnxFile::from_bytes({text.begin(), text.end()}, "f").ok();
  });
}

TEST(FuzzCorpus, Gzip) {
  run("gzip", 6, [](const std::string& text) {
    fuzz::exercise_gzip(text);
    return inflate_gzip(text, "f", 1 << 20).ok();
  });
}

}  // namespace
}  // namespace rdusim
