// Programs and images of experts.
#include "cli/expert_programs.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/dtype.h"
#include "compiler/compile.h"

namespace rdusim::cli {
namespace {

constexpr int64_t kAlignBytes = 64;

Tensor column_of(std::span<const int64_t> ids) {
  Tensor tensor(static_cast<int64_t>(ids.size()), 1);
  std::transform(ids.begin(), ids.end(), tensor.values.begin(),
                 [](int64_t id) { return static_cast<float>(id); });
  return tensor;
}

bool is_carried(const Symbol& symbol) {
  return symbol.role == SymbolRole::kKvCache || symbol.role == SymbolRole::kState;
}

// A weight may be there twice, cut in two ways: a tied embedding is looked up by row and multiplied by
// column.
std::string part_of(const Symbol& s) {
  return fmt::format("{} {} {}x{} {}/{}/{}", s.source, dtype_name(s.dtype), s.rows, s.cols,
                     static_cast<int>(s.shard.kind), s.shard.shards, s.shard.granule);
}

// `tokens` new ones behind `past`.
models::GraphRequest request_of(models::Phase phase, int64_t tokens, int64_t past, int64_t capacity) {
  models::GraphRequest request;
  request.phase = phase;
  request.query_tokens = tokens;
  request.past_tokens = past;
  request.kv_capacity = capacity;
  return request;
}

int64_t largest_of_last_row(const Tensor& logits) {
  const auto last = logits.values.end() - logits.cols();
  return std::max_element(last, logits.values.end()) - last;
}

}  // namespace

Result<std::unique_ptr<ExpertPrograms>> ExpertPrograms::make(const models::Model& model, NodeSpec node,
                                                             StackSpec stack) {
  std::unique_ptr<ExpertPrograms> programs(new ExpertPrograms(model, std::move(node), std::move(stack)));
  RDU_ASSIGN([[maybe_unused]] const Prepared* first,
             programs->prepare(request_of(models::Phase::kPrefill, 1, 0, 1)));
  return programs;
}

Result<const ExpertPrograms::Prepared*> ExpertPrograms::prepare(const models::GraphRequest& request) {
  const std::tuple key(request.query_tokens, request.past_tokens, request.kv_capacity);
  const auto known = programs_.find(key);
  if (known != programs_.end()) return &known->second;
  RDU_ASSIGN(const compiler::Graph graph, model_.build(request));
  compiler::CompileOptions options;
  options.sockets = node_.sockets;
  options.launch_s = stack_.hardware_launch_s;
  Prepared made;
  RDU_ASSIGN(made.program, compiler::compile(graph, node_.chip, options));
  made.blank = std::make_unique<sim::MemoryImage>(made.program);
  const models::WeightSource constants(nullptr);
  const bool first = weights_.empty();
  for (size_t s = 0; s < made.program.symbols.size(); ++s) {
    const Symbol& symbol = made.program.symbols[s];
    if (symbol.role == SymbolRole::kInput) made.input = symbol.source;
    if (symbol.role == SymbolRole::kConstant) {
      RDU_ASSIGN(const Tensor tensor, constants.read(symbol.source));
      RDU_CHECK_OK(made.blank->write(made.program, SymbolId(s), tensor));
    }
    if (symbol.role != SymbolRole::kWeight) continue;
    const std::string part = part_of(symbol);
    if (first && !weights_.contains(part)) {
      Symbol& stored = weights_[part] = symbol;
      stored.offset_bytes = image_bytes_;
      image_bytes_ += (symbol.bytes() + kAlignBytes - 1) / kAlignBytes * kAlignBytes;
    }
    if (!weights_.contains(part)) {
      return Error{ErrorCode::kUnsupported, "weight " + part,
                   fmt::format("{} holds another part of it than the expert's image", made.program.name), ""};
    }
  }
  return &programs_.emplace(key, std::move(made)).first->second;
}

Result<ExpertImage> ExpertPrograms::image(const SafetensorsFile& file) const {
  const models::WeightSource source(&file);
  ExpertImage image(static_cast<size_t>(node_.sockets),
                    std::vector<uint8_t>(static_cast<size_t>(image_bytes_), 0));
  Program layout;  // of weights only, at their offsets in the image
  layout.sockets = node_.sockets;
  for (const auto& [name, symbol] : weights_) {
    layout.symbols.push_back(symbol);
    layout.symbols.back().tier = Tier::kHbm;
  }
  layout.tiers[static_cast<size_t>(Tier::kHbm)].bytes = image_bytes_;
  sim::MemoryImage memory(layout);
  for (size_t s = 0; s < layout.symbols.size(); ++s) {
    RDU_ASSIGN(const Tensor tensor, source.read(layout.symbols[s].source));
    RDU_CHECK_OK(memory.write(layout, SymbolId(s), tensor));
  }
  for (int64_t socket = 0; socket < node_.sockets; ++socket)
    image[static_cast<size_t>(socket)] = memory.bytes(socket, Tier::kHbm);
  return image;
}

Status ExpertPrograms::read_prompt(ExpertSequence& sequence, int64_t to, const Fetch& fetch) {
  const auto tokens = static_cast<int64_t>(sequence.prompt.size());
  RDU_CHECK(sequence.read < to && to <= tokens, "a prompt of {}: {} to {}", tokens, sequence.read, to);
  const int64_t count = to - sequence.read;
  const std::span chunk =
      std::span(sequence.prompt).subspan(static_cast<size_t>(sequence.read), static_cast<size_t>(count));
  RDU_ASSIGN(Tensor logits, run(request_of(models::Phase::kPrefill, count, sequence.read, sequence.capacity),
                                chunk, sequence, fetch));
  sequence.read = to;
  if (to < tokens) return {};
  sequence.ids.push_back(largest_of_last_row(logits));
  sequence.logits.push_back(std::move(logits));
  return {};
}

Status ExpertPrograms::step(ExpertSequence& sequence, const Fetch& fetch) {
  RDU_CHECK(!sequence.ids.empty(), "a step before the prompt of {} is read", sequence.prompt.size());
  const auto past = static_cast<int64_t>(sequence.prompt.size() + sequence.ids.size()) - 1;
  RDU_ASSIGN(Tensor logits, run(request_of(models::Phase::kDecode, 1, past, sequence.capacity),
                                std::span(sequence.ids).last(1), sequence, fetch));
  sequence.ids.push_back(largest_of_last_row(logits));
  sequence.logits.push_back(std::move(logits));
  return {};
}

Result<Tensor> ExpertPrograms::run(const models::GraphRequest& request, std::span<const int64_t> tokens,
                                   ExpertSequence& sequence, const Fetch& fetch) {
  RDU_ASSIGN(const Prepared* prepared, prepare(request));
  const Program& program = prepared->program;
  sim::MemoryImage memory = *prepared->blank;
  const Tensor input = column_of(tokens);
  for (size_t s = 0; s < program.symbols.size(); ++s) {
    const Symbol& symbol = program.symbols[s];
    if (symbol.role == SymbolRole::kWeight) {
      const int64_t offset = weights_.at(part_of(symbol)).offset_bytes;
      for (int64_t socket = 0; socket < program.sockets; ++socket) {
        auto& tier = memory.bytes(socket, symbol.tier);
        RDU_CHECK_OK(fetch(socket, offset,
                           std::span(tier).subspan(static_cast<size_t>(symbol.offset_bytes),
                                                   static_cast<size_t>(symbol.bytes()))));
      }
    } else if (symbol.role == SymbolRole::kInput && symbol.source == prepared->input) {
      RDU_CHECK_OK(memory.write(program, SymbolId(s), input));
    } else if (const auto cache = sequence.caches.find(symbol.source);
               is_carried(symbol) && cache != sequence.caches.end()) {
      RDU_CHECK_OK(memory.write(program, SymbolId(s), cache->second));
    }
  }
  sim::RunOptions options;
  options.memory = &memory;
  RDU_ASSIGN([[maybe_unused]] const RunResult timing, sim::run(program, node_, stack_, options));
  std::optional<Tensor> logits;
  for (size_t s = 0; s < program.symbols.size(); ++s) {
    const Symbol& symbol = program.symbols[s];
    if (symbol.role != SymbolRole::kOutput && !is_carried(symbol)) continue;
    RDU_ASSIGN(Tensor tensor, memory.read(program, SymbolId(s)));
    if (is_carried(symbol)) {
      sequence.caches[symbol.source] = std::move(tensor);
    } else if (symbol.source == "logits") {
      logits = std::move(tensor);
    }
  }
  if (logits) return std::move(*logits);
  return Error{ErrorCode::kUnsupported, program.name, "the model has no logits", "take a language model"};
}

}  // namespace rdusim::cli
