// Finds the reader of a workload by its first line.
#include "runtime/workload/workload.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/io/document.h"
#include "base/io/file.h"
#include "runtime/workload/generator.h"
#include "runtime/workload/reader.h"
#include "runtime/workload/synthetic.h"

namespace rdusim::runtime {
namespace {

constexpr int64_t kBytesPerToken = 4;

struct Reader {
  const char* name;
  const char* description;
  bool (*recognises)(std::string_view);
  Result<Workload> (*read)(std::string_view, const std::string&, const WorkloadOptions&);
};

constexpr Reader kReaders[] = {
#define READER(prefix, name, description) {name, description, recognises_##prefix, read_##prefix},
#include "runtime/workload/readers.def"
#undef READER
};

std::string_view first_line(std::string_view text) {
  const size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  const size_t end = std::min(text.find_first_of("\r\n", begin), text.size());
  return text.substr(begin, end - begin);
}

}  // namespace

int64_t approximate_tokens(std::string_view text) {
  const auto bytes = static_cast<int64_t>(text.size());
  return std::max<int64_t>(1, (bytes + kBytesPerToken - 1) / kBytesPerToken);
}

std::vector<WorkloadFormat> workload_formats() {
  std::vector<WorkloadFormat> formats;
  for (const Reader& reader : kReaders) formats.push_back({reader.name, reader.description});
  formats.push_back({"synthetic", synthetic_help()});
  formats.push_back({"*.yaml", "specification of a generated workload: rdusim schema workload"});
  return formats;
}

void prefix_block_keys(const Workload& workload, size_t request, std::vector<uint64_t>& keys,
                       int64_t block_tokens) {
  keys.clear();
  if (!workload.notes.empty() && !workload.notes[request].prefix_blocks.empty()) {
    for (const int64_t id : workload.notes[request].prefix_blocks) keys.push_back(static_cast<uint64_t>(id));
    return;
  }
  if (workload.follows.empty()) return;
  constexpr int kBlockBits = 24;  // of a conversation's own blocks: kMaxTokens is below
  const auto blocks = static_cast<uint64_t>(workload.requests[request].prompt_tokens / block_tokens);
  const uint64_t session = workload.follows[request].session;
  for (uint64_t block = 0; block < blocks; ++block) keys.push_back(session << kBlockBits | block);
}

Result<Workload> parse_workload(std::string_view text, const std::string& name,
                                const WorkloadOptions& options) {
  const std::string_view line = first_line(text);
  for (const Reader& reader : kReaders) {
    if (reader.recognises(line)) return reader.read(text, name, options);
  }
  std::string known;
  for (const Reader& reader : kReaders) known += fmt::format("\n    {}: {}", reader.name, reader.description);
  return Error{ErrorCode::kUnsupported, name + ":1:1",
               fmt::format("no known request format begins with '{}'", line.substr(0, 60)),
               "known formats:" + known};
}

Result<Workload> load_workload(const std::string& source, const WorkloadOptions& options) {
  if (source.starts_with(kSyntheticPrefix)) return generate_workload(source, options);
  if (source.ends_with(".yaml") || source.ends_with(".yml")) {
    RDU_ASSIGN(const std::string yaml, read_text_file(source));
    RDU_ASSIGN(const DocumentNode root, read_yaml_text(yaml, source));
    RDU_ASSIGN(const WorkloadSpec spec, parse_workload_spec(root));
    RDU_ASSIGN(Workload workload, generate_workload(spec, source, options));
    workload.format = "specification";
    return workload;
  }
  RDU_ASSIGN(const std::string text, read_text_file(source));
  return parse_workload(text, source, options);
}

}  // namespace rdusim::runtime
