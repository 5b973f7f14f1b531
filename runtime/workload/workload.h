// A workload: requests in order of arrival, and what is known of each besides its shape.
//
// Request is what the event loop touches (no strings); texts, labels and names lie beside it, by request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/units.h"
#include "runtime/composition.h"
#include "runtime/workload/popularity.h"

namespace rdusim::runtime {

struct Request {
  Picoseconds arrival;
  int64_t prompt_tokens = 0;
  int64_t output_tokens = 0;
  TenantId tenant;
  std::optional<ExpertId> expert;  // filled by assign_experts
};

// What a row may say beyond its shape; empty strings and lists where it does not.
struct RequestNotes {
  std::string text;
  std::string label;
  std::string expert;
  std::vector<int64_t> prefix_blocks;  // Mooncake: ids of the prompt's 512-token blocks
};

// How a request hangs on an earlier one: the turns of a conversation, and in a closed loop the requests of
// one client. APPROX: a closed loop's `arrival` is that of a service without time; an engine that honours
// Workload::closed_loop takes the end of `previous` plus `think` instead.
struct Follow {
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t session = 0;               // conversation
  uint32_t previous = kNone;          // request that must have ended; smaller than the request's own number
  uint32_t shared_prefix_tokens = 0;  // leading prompt tokens that are the conversation so far
  Picoseconds think;                  // between the end of `previous` and this one
};

struct Workload {
  std::string source;                       // path or specification
  std::string format;                       // name of the reader, or "synthetic"
  std::vector<Request> requests;            // by arrival, equal arrivals in file order
  std::vector<RequestNotes> notes;          // parallel to requests; empty if no row has any
  std::vector<std::string> tenants;         // by TenantId
  std::optional<PopularityLaw> popularity;  // a generator's law of experts
  std::vector<Follow> follows;              // parallel to requests; empty: each stands alone
  bool closed_loop = false;                 // arrivals follow from when earlier requests end
  double session_stay = 1;                  // share of later turns that keep their conversation's expert
  // Azure Functions: what was invoked, 0 the most popular; parallel to requests, else empty. Read as models.
  std::vector<uint32_t> functions;
};

// The prompt's blocks, as keys that are equal where the tokens are: Mooncake's ids (of 512 tokens each), or
// the conversation's own blocks of `block_tokens` (those that a later turn shares lie wholly in its shared
// prefix). `keys` is overwritten; it stays empty for a request that shares nothing with any other.
inline constexpr int64_t kPrefixBlockTokens = 512;
void prefix_block_keys(const Workload& workload, size_t request, std::vector<uint64_t>& keys,
                       int64_t block_tokens = kPrefixBlockTokens);

struct WorkloadOptions {
  RequestShape defaults;  // for rows without token counts
  uint64_t seed = 1;      // of generators
};

// A path (*.gz too), or a generator: "synthetic:poisson,rate=2,n=1000" or a specification in YAML (*.yaml,
// runtime/workload/generator.h). The reader of a path is found by the file's first line. Errors carry
// path:line:col, what is wrong with the row, and a hint.
Result<Workload> load_workload(const std::string& source, const WorkloadOptions& options);
// The same from memory; `name` is used in errors.
Result<Workload> parse_workload(std::string_view text, const std::string& name,
                                const WorkloadOptions& options);

// Names and one-line descriptions of the formats, for help texts.
struct WorkloadFormat {
  std::string name;
  std::string description;
};
std::vector<WorkloadFormat> workload_formats();

// Tokens of a text whose count is not given. APPROX: bytes / 4, rounded up. Four bytes a token is the usual
// rule of thumb for English under 32 000-word vocabularies; code and other scripts have more tokens (up to
// twice).
int64_t approximate_tokens(std::string_view text);

}  // namespace rdusim::runtime
