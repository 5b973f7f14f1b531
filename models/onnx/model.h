// An ONNX file as a model: one stateless pass, phase "encode", from its inputs to its outputs; or, where past
// keys and values come in, prefill and decode over caches.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/io/onnx_file.h"
#include "base/result.h"
#include "models/model.h"
#include "models/onnx/importer.h"

namespace rdusim::models {

// "x.onnx", or a folder that holds model.onnx and no config.json; absent: `name` is neither.
std::optional<std::string> onnx_path(const std::string& name);
Result<std::unique_ptr<Model>> load_onnx_model(const std::string& path);

namespace onnx {

Result<Import> import_graph(const OnnxFile& file, const GraphRequest& request, const std::string& name);
// As which the file holds its weights: FP32 if any is, else FP16, else BF16.
DType stored_weights(const OnnxFile& file);

}  // namespace onnx
}  // namespace rdusim::models
