// Hashed n-gram features; see features.h.
#include "runtime/router/features.h"

#include <algorithm>
#include <string>

namespace rdusim::runtime {
namespace {

constexpr size_t kShortestGram = 2;
constexpr size_t kLongestGram = 5;
// A word longer than this (base64, a URL, scripts without spaces) still gives all its n-grams, but is no
// word.
constexpr size_t kLongestWord = 40;

// FNV-1a (Fowler, Noll, Vo), 64 bits, with a last mix because FNV's high bits of short strings are poor.
constexpr uint64_t kFnvOffset = 0xCBF29CE484222325ULL;
constexpr uint64_t kFnvPrime = 0x100000001B3ULL;

uint64_t fnv(uint64_t state, std::string_view bytes) {
  for (const char c : bytes) state = (state ^ static_cast<uint8_t>(c)) * kFnvPrime;
  return state;
}

uint64_t mixed(uint64_t h) {
  h ^= h >> 32;
  h *= 0xD6E8FEB86659FD93ULL;
  return h ^ (h >> 32);
}

bool is_word_byte(uint8_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c >= 0x80;
}

char folded(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
  return c >= '0' && c <= '9' ? '0' : c;
}

class Collector {
 public:
  void word(std::string_view token) {
    add(FeatureFamily::kWord, fnv(fnv(kFnvOffset, "w"), token));
    if (!previous_.empty()) {
      add(FeatureFamily::kWord, fnv(fnv(fnv(fnv(kFnvOffset, "p"), previous_), " "), token));
    }
    previous_ = token;
  }

  void grams(std::string_view token) {
    padded_.assign(1, ' ').append(token).append(1, ' ');
    for (size_t begin = 0; begin < padded_.size(); ++begin) {
      const size_t longest = std::min(kLongestGram, padded_.size() - begin);
      uint64_t state = fnv(kFnvOffset, "c");
      for (size_t n = 1; n <= longest; ++n) {
        state = fnv(state, std::string_view(padded_).substr(begin + n - 1, 1));
        if (n >= kShortestGram) add(FeatureFamily::kCharacter, state);
      }
    }
  }

  std::vector<FeatureCount> take() {
    std::sort(found_.begin(), found_.end(),
              [](const FeatureCount& a, const FeatureCount& b) { return a.hash < b.hash; });
    size_t kept = 0;
    for (const FeatureCount& f : found_) {
      if (kept > 0 && found_[kept - 1].hash == f.hash) {
        found_[kept - 1].count += 1;
      } else {
        found_[kept++] = f;
      }
    }
    found_.resize(kept);
    return std::move(found_);
  }

 private:
  void add(FeatureFamily family, uint64_t state) { found_.push_back({mixed(state), 1.0F, family}); }

  std::vector<FeatureCount> found_;
  std::string previous_;
  std::string padded_;
};

}  // namespace

std::vector<FeatureCount> text_features(std::string_view text) {
  std::string bytes(text);
  std::transform(bytes.begin(), bytes.end(), bytes.begin(), folded);
  const std::string_view all = bytes;
  Collector collector;
  for (size_t i = 0; i < all.size();) {
    if (!is_word_byte(static_cast<uint8_t>(all[i]))) {
      if (static_cast<uint8_t>(all[i]) > ' ') collector.word(all.substr(i, 1));
      ++i;
      continue;
    }
    size_t end = i;
    while (end < all.size() && is_word_byte(static_cast<uint8_t>(all[end]))) ++end;
    const std::string_view token = all.substr(i, end - i);
    if (token.size() <= kLongestWord) collector.word(token);
    collector.grams(token);
    i = end;
  }
  return collector.take();
}

}  // namespace rdusim::runtime
