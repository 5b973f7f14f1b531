// The file of a serve under way.
//
//   "RDUSERVE" | version, 4 bytes | fingerprint, 64 | length of the state, 8 | state | SHA-256 of all before,
//   64
//
// The fingerprint says which serve it is: composition, node, requests, plans, options. Whatever does not
// match is an error that says what; a file that passes was written by this program for this serve.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/serving/serve.h"

namespace rdusim::runtime {

std::string checkpoint_file(const std::string& fingerprint, std::string_view state);
// The state, a view into `file`. `name` stands in errors.
Result<std::string_view> read_checkpoint(std::string_view file, const std::string& fingerprint,
                                         const std::string& name);

std::string serve_fingerprint(std::span<const SocketGroup> groups, const Composition& composition,
                              const Workload& workload, const ServeOptions& options);

}  // namespace rdusim::runtime
