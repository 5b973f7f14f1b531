// Text features of the built-in embedder: hashed words, word pairs and character n-grams.
//
// Idea: a query's kind shows in its words (what it is about) and in its characters (script, code punctuation,
// style), so both are counted. Nothing is looked up in a vocabulary: a feature is the FNV-1a hash of its
// bytes, so any language and any typo has features, and no file but the trained router is needed. Leaves out:
// stemming, stop words (IDF does their work), Unicode case folding (only ASCII is lower-cased; n-grams are
// over bytes, which cover a UTF-8 letter of two or three bytes whole).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace rdusim::runtime {

// Two families, weighed apart by the embedder: a long text has ten times as many n-grams as words.
enum class FeatureFamily : uint8_t { kWord, kCharacter };
inline constexpr int kFeatureFamilies = 2;

struct FeatureCount {
  uint64_t hash = 0;  // of family and bytes
  float count = 0;
  FeatureFamily family = FeatureFamily::kWord;
};

// Words, pairs of adjacent words, single punctuation marks; byte n-grams of 2 to 5 inside word borders.
// Digits count as '0', so that "17 apples" and "42 apples" agree. Sorted by hash, each once. Empty for a text
// without any.
std::vector<FeatureCount> text_features(std::string_view text);

}  // namespace rdusim::runtime
