// The router file: "RDUROUTE", version, payload length, SHA-256 of the payload (hex), payload. Every read is
// checked.
#include <fmt/format.h>

#include <cmath>

#include "base/io/file.h"
#include "runtime/router/router.h"

namespace rdusim::runtime {
namespace {

constexpr std::string_view kMagic = "RDUROUTE";
constexpr uint32_t kVersion = 1;
constexpr int64_t kLargestK = 1 << 20;

void write_payload(ByteWriter& w, const Router& router) {
  w.number(static_cast<uint64_t>(router.classes.size()));
  for (const RouterClass& c : router.classes) {
    w.text(c.expert);
    w.number(static_cast<uint64_t>(c.labels.size()));
    for (const std::string& label : c.labels) w.text(label);
  }
  w.number(router.k);
  w.number(static_cast<uint8_t>(router.weighting));
  w.number(router.entropy_threshold_nats);
  w.number(router.index.dimensions());
  w.list(router.index.vectors().values);
  w.list(router.index.labels());
  w.number(static_cast<uint8_t>(router.embedder.has_value()));
  if (router.embedder.has_value()) router.embedder->write(w);
}

Status read_classes(ByteReader& r, Router& router) {
  RDU_ASSIGN(const uint64_t classes, r.number<uint64_t>("the classes"));
  for (uint64_t c = 0; c < classes; ++c) {
    RouterClass entry;
    RDU_ASSIGN(entry.expert, r.text("a class name"));
    RDU_ASSIGN(const uint64_t labels, r.number<uint64_t>("a class's labels"));
    for (uint64_t i = 0; i < labels; ++i) {
      RDU_ASSIGN(std::string label, r.text("a label"));
      entry.labels.push_back(std::move(label));
    }
    router.classes.push_back(std::move(entry));
  }
  return {};
}

Result<KnnIndex> read_index(ByteReader& r, const Router& router) {
  RDU_ASSIGN(const int64_t dimensions, r.number<int64_t>("the vector size"));
  Tensor vectors;
  RDU_ASSIGN(vectors.values, r.list<float>("the stored vectors"));
  RDU_ASSIGN(std::vector<int32_t> labels, r.list<int32_t>("the stored labels"));
  const auto count = static_cast<int64_t>(vectors.values.size());
  if (dimensions <= 0 || count % dimensions != 0) return r.broken("the stored vectors' sizes do not agree");
  vectors.shape.dims = {count / dimensions, dimensions};
  Result<KnnIndex> index =
      KnnIndex::make(std::move(vectors), std::move(labels), static_cast<int32_t>(router.classes.size()));
  if (!index.ok()) return r.broken(index.error().what);
  return index;
}

Result<Router> read_payload(ByteReader r) {
  Router router;
  RDU_CHECK_OK(read_classes(r, router));
  RDU_ASSIGN(router.k, r.number<int64_t>("k"));
  RDU_ASSIGN(const uint8_t weighting, r.number<uint8_t>("the vote weighting"));
  RDU_ASSIGN(router.entropy_threshold_nats, r.number<double>("the threshold"));
  const bool sound = router.k > 0 && router.k <= kLargestK && weighting < std::size(kVoteWeightingNames) &&
                     std::isfinite(router.entropy_threshold_nats);
  if (!sound) return r.broken("k, the weighting or the threshold is out of range");
  router.weighting = static_cast<VoteWeighting>(weighting);
  RDU_ASSIGN(router.index, read_index(r, router));
  RDU_ASSIGN(const uint8_t has_embedder, r.number<uint8_t>("the embedder"));
  if (has_embedder != 0) {
    RDU_ASSIGN(router.embedder, Embedder::read(r));
    if (router.embedder->dimensions() != router.index.dimensions()) {
      return r.broken("embedder and stored vectors differ in size");
    }
  }
  if (!r.at_end()) return r.broken("bytes are left over at the end");
  return router;
}

}  // namespace

std::string Router::to_bytes() const {
  ByteWriter payload;
  write_payload(payload, *this);
  ByteWriter header;
  header.number(kVersion);
  header.number(static_cast<uint64_t>(payload.bytes().size()));
  return std::string(kMagic) + header.bytes() + sha256_hex(payload.bytes()) + payload.bytes();
}

Result<Router> Router::from_bytes(std::string_view bytes, const std::string& file_name) {
  constexpr size_t kHashChars = 64;
  constexpr size_t kHeader = sizeof(uint32_t) + sizeof(uint64_t);
  if (bytes.substr(0, kMagic.size()) != kMagic) {
    return Error{ErrorCode::kInvalidInput, file_name, "not a router file",
                 "make one with: rdusim router train COMPOSITION -o FILE"};
  }
  ByteReader header(bytes.substr(kMagic.size(), kHeader), file_name);
  RDU_ASSIGN(const uint32_t version, header.number<uint32_t>("the version"));
  if (version != kVersion) {
    return header.broken(fmt::format("router file version {}, this program reads {}", version, kVersion));
  }
  RDU_ASSIGN(const uint64_t size, header.number<uint64_t>("the length"));
  const size_t begin = kMagic.size() + kHeader + kHashChars;
  if (bytes.size() < begin || bytes.size() - begin != size) {
    return header.broken(fmt::format("the file has {} bytes, its header says {} after the first {}",
                                     bytes.size(), size, begin));
  }
  const std::string_view payload = bytes.substr(begin);
  if (bytes.substr(begin - kHashChars, kHashChars) != sha256_hex(payload)) {
    return header.broken("the checksum does not match: the file is damaged");
  }
  return read_payload(ByteReader(payload, file_name));
}

Status save_router(const Router& router, const std::string& path) {
  return write_file_atomically(path, router.to_bytes());
}

Result<Router> load_router(const std::string& path) {
  RDU_ASSIGN(const std::vector<uint8_t> bytes, read_binary_file(path));
  return Router::from_bytes(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
                            path);
}

}  // namespace rdusim::runtime
