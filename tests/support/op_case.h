// One operator between given tensors, run by the reference interpreter.
#pragma once

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/graph/interpreter.h"

namespace rdusim::compiler::testing {

inline Tensor tensor(int64_t rows, int64_t cols, std::vector<float> values) {
  Tensor t(rows, cols);
  EXPECT_EQ(t.values.size(), values.size());
  t.values = std::move(values);
  return t;
}

// One operator between given tensors.
class OpCase {
 public:
  OpCase() : builder_(Graph{}) { builder_.set_activation_dtype(DType::kFp32); }

  OpCase& dtype(DType dtype) {
    builder_.set_activation_dtype(dtype);
    return *this;
  }
  OpCase& input(Tensor t, DType dtype = DType::kFp32, SymbolRole role = SymbolRole::kInput) {
    inputs_.push_back(builder_.add_source("in" + std::to_string(inputs_.size()), t.shape, dtype, role, ""));
    tensors_.push_back(std::move(t));
    return *this;
  }
  Result<ValueId> add(OpKind op, std::vector<Attribute> attributes = {}) {
    return builder_.add(op, "result", inputs_, std::move(attributes));
  }
  std::string error(OpKind op, std::vector<Attribute> attributes = {}) {
    const Result<ValueId> result = add(op, std::move(attributes));
    return result.ok() ? "no error" : result.error().to_string();
  }
  Tensor run(OpKind op, std::vector<Attribute> attributes = {}, KvStore* kv = nullptr,
             int64_t past_tokens = 0) {
    const Result<ValueId> result = add(op, std::move(attributes));
    if (!result.ok()) throw std::runtime_error(result.error().to_string());
    Graph graph = builder_.graph();
    graph.past_tokens = past_tokens;
    Interpreter interpreter(graph, true, kv);
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (graph.value(inputs_[i]).role == SymbolRole::kKvCache) continue;
      const Status set = interpreter.set(inputs_[i], tensors_[i]);
      if (!set.ok()) throw std::runtime_error(set.error().to_string());
    }
    const Status ran = interpreter.run();
    if (!ran.ok()) throw std::runtime_error(ran.error().to_string());
    return interpreter.get(*result);
  }

 private:
  GraphBuilder builder_;
  std::vector<ValueId> inputs_;
  std::vector<Tensor> tensors_;
};

inline void expect_near(const Tensor& found, int64_t rows, int64_t cols, const std::vector<float>& expected) {
  ASSERT_EQ(found.rows(), rows);
  ASSERT_EQ(found.cols(), cols);
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(found.values[i], expected[i], 1e-6) << "element " << i;
}

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

}  // namespace rdusim::compiler::testing
