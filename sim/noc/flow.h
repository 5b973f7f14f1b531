// Flows: what the vector and scalar networks of the chip carry. A flow is fixed before a program runs: a
// source tile, a tree of links, the tiles at which units take a copy. Tiles and links are numbered as in the
// mesh of a chip: tile = row * columns + column, link = tile * 4 + heading of the hop that leaves the tile's
// switch, headings east, south, west, north.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace rdusim::sim::noc {

struct FlowNetworkSpec {
  int64_t columns = 0;
  int64_t rows = 0;
  int64_t flit_bytes = 64;         // one link carries one flit a cycle
  int64_t virtual_channels = 4;    // at most 12
  int64_t buffer_flits = 8;        // of one virtual channel of one link
  int64_t hop_latency_cycles = 2;  // switch and link; a credit takes as long back
  // The dies lie side by side; links that cross their border have a rate, a latency and buffers of their own.
  int64_t dies = 1;
  double die_link_bytes_per_cycle = 64;  // at most flit_bytes
  int64_t die_hop_latency_cycles = 2;
  int64_t die_buffer_flits = 8;

  [[nodiscard]] int64_t tiles() const { return columns * rows; }
};
Status validate(const FlowNetworkSpec& spec);

struct Flow {
  int64_t source = 0;                 // tile
  std::vector<int64_t> destinations;  // tiles, each once; the source may be among them
  std::vector<int64_t> links;         // a tree from the source that reaches every destination, in any order
  int64_t virtual_channel = 0;        // on every link
  double flits_per_cycle = 1;         // the source sends no faster (packet throttling)
  int64_t consumer_flits = 0;         // room of each destination, given back by consume(); 0: unlimited
};

// The links from tile to tile, columns first; empty when they are the same.
std::vector<int64_t> dimension_order_links(const FlowNetworkSpec& spec, int64_t from, int64_t to);
// The union of those links over all destinations: dimension order makes it a tree.
Flow multicast_flow(const FlowNetworkSpec& spec, int64_t source, std::vector<int64_t> destinations);

// Whether buffers can wait for each other in a circle: (link, virtual channel) follows (link, virtual
// channel) in some flow. Fails with the circle's links. Flows of dimension order never do.
Status check_no_cycle(const FlowNetworkSpec& spec, const std::vector<Flow>& flows);

// The control network is circuit switched: a flow owns one wire of each of its links. Fails on a link with
// more flows than wires.
Status check_circuits(const FlowNetworkSpec& spec, const std::vector<Flow>& flows, int64_t wires_per_link);

// Puts arrivals of several producers back into the order of their sequence ids (0, 1, 2, ...).
class SequenceOrder {
 public:
  // Marks `id` as arrived; the number of ids that are now complete from the front and were not before.
  int64_t arrive(int64_t id);
  [[nodiscard]] int64_t released() const { return released_; }
  [[nodiscard]] int64_t most_held() const {
    return most_held_;
  }  // arrived and waiting for an earlier one, at most

 private:
  std::vector<bool> arrived_;  // ring over ids from released_ on
  int64_t released_ = 0;
  int64_t held_ = 0;
  int64_t most_held_ = 0;
};

}  // namespace rdusim::sim::noc
