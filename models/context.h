// The longest sequence that a model's configuration names, and where a configuration lies.
#pragma once

#include <cstdint>
#include <string>

#include "base/io/document.h"
#include "base/result.h"

namespace rdusim::models {

// Of a parsed config.json, in tokens: max_position_embeddings, max_seq_len or seq_length, of the language
// model where there are several. 0: it names none (recurrent models).
Result<int64_t> context_tokens(const DocumentNode& config);

// `name`: a folder with config.json, or the name of one in <config_dir>/models/. The error suggests names.
Result<std::string> find_model_config(const std::string& config_dir, const std::string& name);

}  // namespace rdusim::models
