// File format and fingerprint of a serve under way; see checkpoint.h.
#include "runtime/serving/checkpoint.h"

#include <fmt/format.h>

#include <cstring>

#include "base/io/file.h"

namespace rdusim::runtime {
namespace {

constexpr std::string_view kMagic = "RDUSERVE";
constexpr uint32_t kVersion = 2;
constexpr size_t kHashChars = 64;
constexpr size_t kHeader = kMagic.size() + sizeof kVersion + kHashChars + sizeof(uint64_t);

template <typename T>
void add(std::string& text, const T& value) {
  text.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// What tells requests apart, row by row; no padding.
void add_requests(std::string& text, const Workload& workload) {
  for (const Request& r : workload.requests) {
    add(text, r.arrival.value);
    add(text, r.prompt_tokens);
    add(text, r.output_tokens);
    add(text, r.tenant.value);
    add(text, r.expert ? r.expert->value : UINT32_MAX);
  }
  for (const Follow& f : workload.follows) {
    add(text, f.session);
    add(text, f.previous);
    add(text, f.shared_prefix_tokens);
    add(text, f.think.value);
  }
  for (const RequestNotes& n : workload.notes) {
    for (const int64_t block : n.prefix_blocks) add(text, block);
    add(text, n.prefix_blocks.size());
  }
  for (const std::string& tenant : workload.tenants) text += tenant + "\n";
}

void add_plans(std::string& text, const RequestPlans& plans) {
  for (const Invocation& n : plans.nodes) {
    for (const uint32_t v : {n.expert.value, n.prompt_tokens, n.output_tokens, n.copies, n.route_tokens,
                             uint32_t{n.answers} + 2 * uint32_t{n.reads_request}, n.after_begin, n.after_end})
      add(text, v);
  }
  for (const uint32_t b : plans.begin) add(text, b);
  for (const uint32_t a : plans.after_nodes) add(text, a);
}

void add_node(std::string& text, const SocketGroup& group) {
  const NodeMemory m = group.execution->memory();
  text +=
      fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {}\n", group.execution->node_name(), group.sockets,
                  m.hbm_bytes.value, m.store_bytes.value, m.switch_bandwidth.value, m.switch_setup.value,
                  m.hbm_bandwidth.value, m.store_bandwidth.value, m.link_bandwidth.value, m.sram_bytes.value,
                  m.hbm_channels, m.store_channels, group.execution->request_overhead().value);
}

}  // namespace

std::string serve_fingerprint(std::span<const SocketGroup> groups, const Composition& composition,
                              const Workload& workload, const ServeOptions& options) {
  std::string text = dump_composition(composition) + engine_fields().dump(options.engine);
  text +=
      fmt::format("{} {} {} {}\n{}\n", options.batch.value_or(0), options.scheduler, options.eviction,
                  options.router == nullptr ? 0 : options.router->index.size(), options.checkpoint.context);
  for (const SocketGroup& group : groups) add_node(text, group);
  for (const Dependency& d : options.dependencies)
    text += fmt::format("{} {} {} {}\n", d.before, d.after, d.delay.value, d.even_if_failed);
  add_requests(text, workload);
  if (options.plans != nullptr) add_plans(text, *options.plans);
  return sha256_hex(text);
}

std::string checkpoint_file(const std::string& fingerprint, std::string_view state) {
  std::string file(kMagic);
  add(file, kVersion);
  file += fingerprint;
  add(file, uint64_t{state.size()});
  file += state;
  return file + sha256_hex(file);
}

Result<std::string_view> read_checkpoint(std::string_view file, const std::string& fingerprint,
                                         const std::string& name) {
  const auto error = [&](std::string what, std::string hint) {
    return Error{ErrorCode::kInvalidInput, name, std::move(what), std::move(hint)};
  };
  const std::string again = "serve from the start, or take an older checkpoint";
  if (!file.starts_with(kMagic))
    return error("this is no checkpoint of a serve", "rdusim serve --checkpoint FILE writes one");
  if (file.size() < kHeader + kHashChars) return error("the checkpoint ends too early", again);
  uint32_t version = 0;
  std::memcpy(&version, file.data() + kMagic.size(), sizeof version);
  if (version != kVersion) {
    return error(fmt::format("the checkpoint has version {}, this program reads {}", version, kVersion),
                 "serve from the start");
  }
  const std::string_view body = file.substr(0, file.size() - kHashChars);
  if (sha256_hex(body) != file.substr(body.size()))
    return error("the checkpoint is damaged: its checksum is not that of its bytes", again);
  if (file.substr(kMagic.size() + sizeof version, kHashChars) != fingerprint) {
    return error("the checkpoint is of another serve",
                 "resume with the composition, node, requests and options that it was written with");
  }
  uint64_t size = 0;
  std::memcpy(&size, file.data() + kHeader - sizeof size, sizeof size);
  if (size != body.size() - kHeader) return error("the checkpoint's length is wrong", again);
  return body.substr(kHeader);
}

}  // namespace rdusim::runtime
