// Collectives between the sockets of a node, over links that each socket has out and in, both at the node
// file's rate.
//
// A tensor is cut into `chunks`; each goes through the algorithm on its own and chunks follow one another
// over the links, so a collective can start while its producer still computes (fused into the pipeline, on
// the RDU the usual form). A socket's way out serves transfers in the order in which they became ready; its
// way in takes one at a time.
//
//   ring    n - 1 steps to the next socket; all-reduce: n - 1 steps of summing, n - 1 of passing on
//   direct  every socket to every other, sockets in rotation; all-reduce: shards to their owners, sums to all
//
// Bytes: of all-reduce and reduce-scatter the tensor that each socket holds; of all-gather the gathered
// result; of all-to-all what each socket holds, of which it keeps 1/n. Times in picoseconds. Source of the
// bounds: Thakur, Rabenseifner, Gropp, "Optimization of Collective Communication Operations in MPICH", 2005.
// Left out: the wiring between sockets (any socket reaches any other at its port's rate).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace rdusim::sim::agcu {

enum class CollectiveKind : uint8_t { kAllReduce, kAllGather, kReduceScatter, kAllToAll };
enum class CollectiveAlgorithm : uint8_t { kRing, kDirect };
Result<CollectiveKind> parse_collective_kind(const std::string& name);
Result<CollectiveAlgorithm> parse_collective_algorithm(const std::string& name);

struct CollectiveSpec {
  CollectiveKind kind = CollectiveKind::kAllReduce;
  CollectiveAlgorithm algorithm = CollectiveAlgorithm::kRing;
  int64_t sockets = 8;
  int64_t bytes = 0;
  int64_t chunks = 1;
  double bandwidth_bytes_per_s = 400e9;  // out of a socket, and into it
  double latency_ns = 500;
  // Adding a chunk that arrived to one's own, first byte in to first byte out. assumed: AGCU to PCU to AGCU
  // over the RDN, two routes of 12 hops of 2 cycles and a pipeline of 12 cycles at 1.6 GHz; sums at the
  // link's rate.
  double reduce_latency_ns = 37.5;
  // Time the producer needs for the whole tensor; chunk i is ready when (i + 1) / chunks of it are over.
  double producer_s = 0;
};
// Sizes that do not divide (bytes by sockets x chunks) and an all-to-all on a ring are errors.
Status validate(const CollectiveSpec& spec);

struct CollectiveResult {
  int64_t finish_ps = 0;       // last byte at the last socket
  int64_t exposed_ps = 0;      // beyond the producer's time
  int64_t bytes_per_link = 0;  // out of each socket
  int64_t lower_bound_ps = 0;  // those bytes at the link's rate
  double bus_bandwidth_bytes_per_s =
      0;  // bytes_per_link over finish less producer overlap: exposed time if fused
};
// The specification must be valid.
CollectiveResult run_collective(const CollectiveSpec& spec);

}  // namespace rdusim::sim::agcu
