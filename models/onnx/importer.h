// An ONNX graph to a compiler::Graph, for one request. Three steps:
//
//   1. constants   initialisers and Constant nodes, and whatever follows from them and from shapes alone
//   2. patterns    compositions that exporters write for one operator (norms, GELU, rotary positions) are
//   found
//                  from their last node on; what lies inside is not looked at again
//   3. nodes       each node that an output needs, in order, through its line in onnx_ops.def
//
// The first dimension of the inputs is the batch, the second the tokens of a sequence; where the file leaves
// them open they come from the request. Rows of a value are (sequence, token) pairs, columns features, and a
// View says where an axis lies. Scores of attention are never values: they are kept as what they are made of
// until the product with the values turns them into an attention.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/io/onnx_file.h"
#include "base/result.h"
#include "base/tensor.h"
#include "compiler/graph/graph.h"
#include "models/model.h"
#include "models/onnx/view.h"

namespace rdusim::models::onnx {

// A tensor that is known: an initialiser that nothing has changed, or folded values.
struct Constant {
  std::vector<int64_t> dims;
  const OnnxTensor* stored = nullptr;
  std::shared_ptr<const Tensor> values;
  bool whole = false;  // of an integer type: such quotients are cut to whole numbers
};
inline bool is_whole(StoredType type) {
  return type != StoredType::kF32 && type != StoredType::kBf16 && type != StoredType::kF16 &&
         type != StoredType::kF64;
}
// A value of the graph; in `view` the sizes of the ONNX tensor.
struct Activation {
  ValueId value;
  View view;
};
// Keys or values of earlier tokens, an input [batch, heads, cached tokens, columns]: what a KV cache holds
// before the pass. Joined with the new tokens' it becomes an activation whose value is the cache.
struct Past {
  ValueId cache;
  std::vector<int64_t> dims;
};
// scale x q k^T, with or without the mask and the softmax.
struct Scores {
  Activation queries;
  Activation keys;  // transposed: last axis positions
  double scale = 1;
  bool causal = false;
  bool probabilities = false;
};
using Item = std::variant<Constant, Activation, Past, Scores>;

// Columns [first, first + count) of a product's result: as many rows of its weights.
struct ColumnRange {
  int64_t first = 0;
  int64_t count = 0;
};

// The imported graph and where its sources get their values.
class Import {
 public:
  compiler::Graph graph;
  struct Port {
    std::string name;   // in the file
    std::string value;  // of the graph
    std::vector<int64_t> dims;
  };
  std::vector<Port> inputs;
  std::vector<Port> outputs;
  // A KV cache (rows: capacity a sequence, columns: heads side by side) and the tensors
  // [batch, heads, tokens, columns of a head] that stand for it in the file.
  struct Cache {
    std::string past;           // input
    std::string present;        // output; "": none
    std::string value;          // of the graph
    std::vector<int64_t> dims;  // of the input
    int64_t capacity = 0;
  };
  std::vector<Cache> caches;
  // Inputs whose values follow from the sizes (assumed_inputs): what they are taken to hold.
  struct Assumed {
    std::string name;
    Tensor values;
  };
  std::vector<Assumed> assumed;

  // Values of a source (compiler::Value::source) of role weight or constant. `file` is the imported one.
  [[nodiscard]] Result<Tensor> read(const OnnxFile& file, const std::string& source) const;

 private:
  friend class Importer;
  struct Source {
    const OnnxTensor* stored = nullptr;
    bool transposed = false;
    std::shared_ptr<const Tensor> values;
    // A part of it, once turned: rows of a matrix, columns of a single row; empty: all.
    std::vector<ColumnRange> part = {};
  };
  std::map<std::string, Source> sources_;
};

// What a pattern found (patterns.h): the operands that must be imported, and how the result is made of them.
class Importer;
struct Match {
  std::vector<std::string> operands;  // by ONNX name; "": left out
  double number = 0;
  int64_t axis = -1;
  int64_t form = 0;
  Status (*emit)(Importer& importer, const OnnxNode& node, const Match& match) = nullptr;
};

class Importer {
 public:
  // Both outlive the importer.
  Importer(const OnnxFile& file, const GraphRequest& request, const std::string& name);
  // Fails with kUnsupported naming node, operator and byte in the file.
  Result<Import> run();

  // ---- for the operators (ops_*.cpp)

  [[nodiscard]] const OnnxFile& file() const { return file_; }
  [[nodiscard]] const GraphRequest& request() const { return request_; }
  [[nodiscard]] int64_t batch() const { return batch_; }
  [[nodiscard]] int64_t tokens() const { return tokens_; }
  [[nodiscard]] int64_t past_tokens() const { return past_; }
  [[nodiscard]] bool is_cache(ValueId id) const { return value(id).role == SymbolRole::kKvCache; }
  [[nodiscard]] int64_t cache_rows() const { return capacity_; }  // a sequence
  [[nodiscard]] const compiler::Value& value(ValueId id) const { return builder_->graph().value(id); }
  [[nodiscard]] Error error(const OnnxNode& node, std::string what, std::string hint = "") const;

  // What a name stands for; null: left out, or nothing that is needed.
  [[nodiscard]] const Item* item(const std::string& name) const;
  [[nodiscard]] const Item* operand(const OnnxNode& node, size_t i) const;
  // An operand as one kind, by name; kUnsupported if it is another.
  Result<Activation> activation(const OnnxNode& node, const std::string& name) const;
  // The same, its elements in order and its last axis the columns of the matrix.
  Result<Activation> whole_rows(const OnnxNode& node, const std::string& name) const;
  // Values of a constant, and as whole numbers.
  Result<Tensor> values(const OnnxNode& node, const std::string& name) const;
  Result<std::vector<int64_t>> integers(const OnnxNode& node, const std::string& name) const;
  Result<Tensor> values_of(const Constant& constant) const;
  // The node's i-th operand, which must be given.
  Result<std::string> required(const OnnxNode& node, size_t i) const;

  void set(const std::string& name, Item item) { items_[name] = std::move(item); }

  // Adds an operator whose result has the name of the node's output `of`.
  Result<ValueId> add(const OnnxNode& node, compiler::OpKind op, std::vector<ValueId> inputs,
                      std::vector<compiler::Attribute> attributes = {}, size_t of = 0,
                      const std::string& suffix = "");
  // The same as output 0, with the view `view`.
  Status emit(const OnnxNode& node, compiler::OpKind op, std::vector<ValueId> inputs, const View& view,
              std::vector<compiler::Attribute> attributes = {});
  // x W (W [k, n] if `turned`, else [n, k]) + bias; "": none.
  Status linear(const OnnxNode& node, const Activation& x, const std::string& weight, bool turned,
                const std::string& bias);
  // The node that joins past keys or values with the new tokens' (caches.cpp).
  Status join_past(const OnnxNode& node, const Past& past);
  // What was joined with a cache, for the one attention that reads it.
  Result<ValueId> appended(const OnnxNode& node, ValueId cache);
  // A constant of `cols` numbers as a row; `name` "": all are `fill`.
  Result<ValueId> row_operand(const OnnxNode& node, const std::string& name, int64_t cols, float fill);
  // A constant matrix of the weights, turned if asked.
  Result<ValueId> weight(const OnnxNode& node, const std::string& name, bool turned);
  ValueId table(const std::string& name, Tensor tensor);
  // A constant over the matrix of a view: one number, [1, cols], or [tokens, cols] where it differs by token.
  Result<Tensor> laid_out(const OnnxNode& node, const std::string& constant, const Activation& over) const;

 private:
  Status bind_inputs();
  Status bind_cache(const OnnxValueInfo& input, std::vector<int64_t> dims);
  Status bind_assumed(const OnnxValueInfo& input);
  [[nodiscard]] View present_view(ValueId cache, int64_t heads) const;
  [[nodiscard]] Error value_error(const OnnxValueInfo& value, const char* kind, std::string what,
                                  std::string hint = "") const;
  Status set_present(const OnnxValueInfo& output, const Activation& activation);
  [[nodiscard]] Status check_caches() const;
  Result<std::vector<int64_t>> input_dims(const OnnxValueInfo& input);
  void find_sizes(const OnnxValueInfo& input, const std::vector<int64_t>& dims);
  void add_initializers();
  void find_needed();
  Status run_node(size_t index);
  Status add_outputs();
  // Products of which only parts of the columns are read become one product a part (unpack.cpp).
  void unpack_projections(compiler::Graph& graph);
  [[nodiscard]] std::string unique_name(const std::string& wanted);
  ValueId source(const std::string& name, const std::string& key, Shape shape, SymbolRole role,
                 Import::Source source);

  const OnnxFile& file_;
  const GraphRequest& request_;
  std::string name_;
  int64_t batch_ = 1;
  int64_t tokens_ = 1;
  int64_t past_ = 0;                           // cached tokens of a sequence
  int64_t capacity_ = 0;                       // rows of a cache a sequence
  std::map<std::string, int64_t> parameters_;  // open dimensions by name
  std::map<std::string, Item> items_;          // by ONNX name
  std::vector<bool> needed_;                   // by node
  std::map<std::string, bool> wanted_;         // names that a needed node or the graph reads
  std::map<size_t, Match> matches_;            // by the pattern's last node
  std::map<std::string, int64_t> names_;       // taken, with how often
  std::map<std::string, ValueId> by_source_;
  struct Append {
    ValueId rows;
    bool attended = false;
  };
  std::map<ValueId, Append> appends_;  // by cache
  std::set<std::string> past_inputs_;
  std::optional<compiler::GraphBuilder> builder_;
  Import import_;
};

// One operator of onnx_ops.def: sets the node's outputs.
using Handler = Status (*)(Importer&, const OnnxNode&);
#define RDU_ONNX_OP(domain, op_type, handler) Status handler(Importer& importer, const OnnxNode& node);
#include "models/onnx/onnx_ops.def"
#undef RDU_ONNX_OP

// Names of the operators that can be imported, sorted; those that only patterns know are among them.
std::vector<std::string> supported_operators();

// Operators of constants alone: absent where `node` is none that is folded.
std::optional<Result<Constant>> fold(const Importer& importer, const OnnxNode& node);

std::vector<int64_t> dims_of(const Item& item);

// Whether an input is one that Hugging Face's exporters add and that says nothing where no sequence is
// padded: integers named attention_mask [batch, cached and new tokens], all 1, and position_ids [batch,
// tokens], counted on from the cached ones.
bool is_assumed(const OnnxValueInfo& input);
// Inputs that are past keys or values: of four axes, joined along the third with something newer.
std::set<std::string> past_inputs(const OnnxFile& file);

}  // namespace rdusim::models::onnx
