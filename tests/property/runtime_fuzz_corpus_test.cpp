// Seeded mutations of small valid request files: none may crash, break a rule, or give an error without a
// place. The same rules as the libFuzzer target fuzz_trace, for machines without clang.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/io/file.h"
#include "base/random.h"
#include "tests/fuzz/exercise_trace.h"

namespace rdusim::runtime {
namespace {

constexpr int kMutations = 20'000;

std::vector<std::string> seeds() {
  std::vector<std::string> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(RDUSIM_SOURCE_DIR) + "/tests/fuzz/corpus/trace")) {
    paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> texts;
  for (const std::string& path : paths) texts.push_back(read_text_file(path).value());
  return texts;
}

void mutate(std::string& text, Random& random) {
  static const std::vector<std::string> kTokens = {
      "-1", "0", "1e9", "99999999999999999999", "\"", ",", "{", "}", "\n", "nan", "[", ":"};
  const size_t at = random.below(text.size() + 1);
  const size_t length = std::min<size_t>(1 + random.below(6), text.size() - at);
  const std::string& token = kTokens[random.below(kTokens.size())];
  switch (random.below(5)) {
    case 0:
      if (at < text.size()) text[at] = static_cast<char>(random.below(256));
      break;
    case 1:
      text.erase(at, length);
      break;
    case 2:
      text.insert(at, token);
      break;
    case 3:
      text.replace(at, length, token);
      break;
    default:
      text.insert(at, text.substr(at, length));
  }
}

TEST(RuntimeFuzzCorpus, MutatedRequestFiles) {
  const std::vector<std::string> texts = seeds();
  ASSERT_GE(texts.size(), 5U);
  for (const std::string& text : texts)
    EXPECT_TRUE(fuzz::exercise_trace(text)) << "a seed must be valid:\n" << text;
  Random random(1);
  int taken = 0;
  for (int i = 0; i < kMutations; ++i) {
    std::string text = texts[random.below(texts.size())];
    for (uint64_t n = 1 + random.below(3); n > 0; --n) mutate(text, random);
    ASSERT_NO_THROW(taken += fuzz::exercise_trace(text) ? 1 : 0) << "mutation " << i << ":\n" << text;
  }
  EXPECT_GT(taken, kMutations / 100);
  EXPECT_LT(taken, kMutations * 99 / 100);
}

TEST(RuntimeFuzzCorpus, MutatedSpecifications) {
  Random random(2);
  int taken = 0;
  for (int i = 0; i < kMutations; ++i) {
    std::string rest = "poisson,rate=2,n=9,prompt=8,output=2,popularity=zipf:0.9,seed=7";
    for (uint64_t n = random.below(3); n > 0; --n) mutate(rest, random);
    if (rest.find("n=") != std::string::npos && rest.size() > rest.find("n=") + 8) {
      // Large counts are fine but slow; the number's reader is what is tested.
      const size_t at = rest.find("n=") + 2;
      if (rest.find(',', at) > at + 3) continue;
    }
    const auto w = generate_workload(std::string(kSyntheticPrefix) + rest, {{1, 1}, 1});
    ASSERT_TRUE(w.ok() || !w.error().where.empty()) << rest;
    taken += w.ok() ? 1 : 0;
  }
  EXPECT_GT(taken, 0);
}

}  // namespace
}  // namespace rdusim::runtime
