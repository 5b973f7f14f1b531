// A node out of a table, for hand-computed schedules: every pass costs round numbers.
#pragma once

#include <map>
#include <string>

#include "runtime/execution.h"

namespace rdusim::runtime {

// prefill: 10 ps a token and sequence; decode step: 100 ps + 1 ps a cached token; embed: 1000 ps + 5 ps a
// token, whatever the batch; nearest neighbours: 7 ps. Models by name: weight bytes. KV: 2 B a token.
class TableNode : public ExecutionModel {
 public:
  std::map<std::string, int64_t> models{{"small", 100}, {"large", 250}, {"router", 50}};
  NodeMemory node_memory{Bytes(1000), Bytes(10'000), BytesPerSecond{1e12},
                         Picoseconds(3)};  // 1 byte a picosecond
  Picoseconds overhead{0};
  Bytes program{0};  // of every model
  int64_t calls = 0;

  std::string node_name() const override { return "table"; }
  NodeMemory memory() const override { return node_memory; }
  Picoseconds request_overhead() const override { return overhead; }
  Result<PassCost> prefill(const std::string& model, int64_t batch, int64_t tokens) override {
    return cost(model, 10 * batch * tokens);
  }
  Result<PassCost> decode(const std::string& model, int64_t, int64_t context, int64_t steps) override {
    int64_t time = 0;
    for (int64_t i = 0; i < steps; ++i) time += 100 + context + i;
    return cost(model, time);
  }
  Result<PassCost> embed(const std::string& model, int64_t, int64_t tokens) override {
    return cost(model, 1000 + 5 * tokens);
  }
  Result<PassCost> nearest_neighbours(int64_t, int64_t, int64_t, int64_t, int64_t) override {
    ++calls;
    return PassCost{Picoseconds(7), {}};
  }
  Result<Bytes> weight_bytes(const std::string& model) override {
    if (models.count(model) == 0) return Error{ErrorCode::kNotFound, "table", "no model " + model, ""};
    return Bytes(models[model]);
  }
  Result<Bytes> program_bytes(const std::string&) override { return program; }
  Result<Bytes> kv_bytes_per_token(const std::string&) override { return Bytes(2); }

 private:
  Result<PassCost> cost(const std::string& model, int64_t time) {
    ++calls;
    if (models.count(model) == 0) return Error{ErrorCode::kNotFound, "table", "no model " + model, ""};
    PassCost result{Picoseconds(time), {}};
    result.bytes[static_cast<size_t>(Wire::kHbm)][static_cast<size_t>(Cause::kWeights)] = models[model];
    return result;
  }
};

}  // namespace rdusim::runtime
