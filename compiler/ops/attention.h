// What the files of the attention operators share: a node's dimensions and operands, and the stages that they
// lower to. attention.cpp and cross_attention.cpp are the operators, attention_lower.cpp the stages over
// whole rows of scores, attention_blocks.cpp those over blocks of keys.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "compiler/ops/op.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {

struct AttentionShape {
  int64_t heads, kv_heads, head_dim, query_tokens, past_tokens, capacity, window;
  bool causal;
  double scale;
  double cap;  // scores become cap tanh(score / cap); 0: they stay

  explicit AttentionShape(const Node& node)
      : heads(node.integer("heads")),
        kv_heads(node.integer("kv_heads")),
        head_dim(node.integer("head_dim")),
        query_tokens(node.integer("query_tokens")),
        past_tokens(integer_or(node, "past_tokens", 0)),
        capacity(node.integer("capacity")),
        window(integer_or(node, "window", 0)),
        causal(integer_or(node, "causal", 0) != 0),
        scale(node.real("scale")),
        cap(real_or(node, "cap", 0)) {}

  [[nodiscard]] int64_t q_cols() const { return heads * head_dim; }
  [[nodiscard]] int64_t kv_cols() const { return kv_heads * head_dim; }
  [[nodiscard]] int64_t group() const { return heads / kv_heads; }
  [[nodiscard]] int64_t positions() const { return past_tokens + query_tokens; }
  // First and one past the last position that the query at `position` may read.
  [[nodiscard]] int64_t first_key(int64_t position) const {
    return window > 0 ? std::max<int64_t>(0, position - window + 1) : 0;
  }
  [[nodiscard]] int64_t end_key(int64_t position) const { return causal ? position + 1 : positions(); }
};

// Softmax in FP32 of one row of scores.
std::vector<float> softmax(std::vector<float> scores);

// Scores, softmax and values of one query block after the other, over keys and values that come as tokens of
// their own. Rows of scores are (token, head) pairs.
struct AttentionStages {
  Lowering& l;
  const Node& node;
  const AttentionShape& shape;
  Flow flow;  // of the queries

  // What the scores of a part of the keys see.
  enum class Mask : uint8_t { kNone, kCausal, kTree };
  Stream q = {};
  Stream keys = {};
  Stream values = {};
  Phases new_phases = kEach;  // of keys and values
  // Of the cache, one token a sequence; absent when `keys` and `values` begin with them.
  std::optional<Stream> old_keys = {};
  std::optional<Stream> old_values = {};
  int64_t first_position = 0;  // of the first query, in the count of the keys' rows
  // Rows of queries and of keys count from places of their own, but the last key is the last query's. So it
  // is behind caches of several sequences: a cache's rows begin at the sequence's times the capacity, the
  // queries' at the sequence's times the tokens.
  bool aligned_at_end = false;
  std::optional<Stream> table =
      {};  // bias by distance [heads, positions], or the tree's mask [tokens, tokens]
  bool tree = false;
  DType dtype = DType::kBf16;
  // Keys of a block of the running softmax; 0: whole rows of scores. Needs all keys in `keys`, no tree.
  int64_t key_block = 0;
  // Tokens of the queries, neighbours of one sequence, that meet a block of keys at once.
  int64_t gathered = 1;

  // The result, cut as `flow`.
  Stream run();

 private:
  [[nodiscard]] bool in_parts() const;  // cached and new keys are masked apart from each other
  // Scale and cap.
  Register scaled(UnitBuilder& u, Register scores) const;
  // These, bias and mask. `keys_register`: all keys, where the scores are those of a block of them.
  Register adjusted(UnitBuilder& u, Register scores, Mask mask, std::optional<Register> table_register,
                    std::optional<Register> keys_register = {}) const;
  // Of the scores of cached keys that are apart from the new ones' scores: none is hidden.
  Register adjusted_cached(UnitBuilder& u, Register scores, Register new_scores,
                           std::optional<Register> table_register) const;
  // A row of the keys' positions and a column of the queries', in one count.
  struct Positions {
    Register query;
    Register key;
  };
  Positions positions(UnitBuilder& u, Register scores, std::optional<Register> keys_register) const;
  Register bias(UnitBuilder& u, Register table_register, const Positions& at) const;
  Register visible(UnitBuilder& u, const Positions& at) const;
  Register visible_in_tree(UnitBuilder& u, Register scores, Register table_register) const;
  Stream scores_stage();
  Stream softmax_stage(const Stream& scores);
  Stream values_stage(const Stream& probabilities);

  // By blocks of keys (attention_blocks.cpp).
  [[nodiscard]] Flow block_flow() const;
  struct BlockWeights {
    Stream weights;  // e^(score - largest of the block)
    Stream sums;     // of the weights, a column
    Stream factors;  // what earlier blocks' sums, and this one's, are multiplied by: two columns
  };
  Stream run_blocks();
  [[nodiscard]] int64_t key_blocks() const;
  BlockWeights block_weights();
  Stream block_factors(const Stream& largest);
  Stream block_values(const BlockWeights& weights);
};

// Cached rows of every sequence, one token a sequence: positions [begin, begin + rows) of a ring of
// `capacity`.
Stream cached_rows(Lowering& l, const Node& node, ValueId cache, int64_t begin, int64_t rows,
                   int64_t capacity, int64_t sequences);
// One token a sequence from a token that holds a row of each, and back.
Stream split_sequences(Lowering& l, const Node& node, const char* name, const Stream& rows,
                       int64_t sequences);
Stream join_sequences(Lowering& l, const Node& node, const Stream& rows, int64_t sequences);

}  // namespace rdusim::compiler
