// The RDN of a section run: static trees over the mesh, burst by burst.
//
//   source FIFO ─► switch ─ link ─► FIFO of a virtual channel ─► switch ─ link ─► ... ─► unit port
//
// A burst is up to kBurstVectors vectors of one token that follow each other without gap, and the granule of
// this model: it takes a link for as many cycles as it has vectors. Its head goes on as soon as the next link
// is free (cut-through), its tail follows. What waits for one link is served in the order in which it asked.
// A FIFO hands out its bursts in order; one that branches is copied to each output as that has room, and its
// place is free after the last. A burst enters a link when the FIFO behind has room for it; its place there
// comes back, a hop's latency later, as its head leaves: with FIFOs of a burst, the credit round trip of
// flow_network.h, whose flits these are, and as there no link idles for want of credits.
// Left out against flow_network.h: flits of two bursts do not alternate on a link.
// Source: as flow_network.h.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/cycle/event_wheel.h"
#include "sim/dram/ring.h"

namespace rdusim::sim::cycle {

inline constexpr int64_t kBurstVectors = 8;  // 512 B, as far as a stream stays in one memory channel

struct Burst {
  uint32_t owner = 0;   // who sent it, see Engine
  uint32_t number = 0;  // of the token or read that it belongs to
  uint16_t place = 0;   // in it
  uint16_t vectors = 1;
  uint16_t copies = 1;  // that are still under way
};

class BurstNetwork {
 public:
  explicit BurstNetwork(EventWheel& wheel) : wheel_(&wheel) {}

  // --- configuration
  static constexpr uint32_t kNone = UINT32_MAX;
  // A link of the mesh, or, with no latency and unlimited room behind, the port of a unit.
  uint32_t add_link(int64_t cycles_per_vector, int64_t latency_cycles, int64_t buffer_vectors);
  // A FIFO that a unit fills.
  uint32_t add_source();
  // A tree: its root, then points below it. The root's link is kNone.
  uint32_t add_root();
  uint32_t add_point(uint32_t parent, uint32_t link, uint32_t virtual_channel);
  void add_delivery(uint32_t point, uint32_t port_link);
  // --- traffic
  // The burst leaves its unit now; kArrive, kExpose, kServe events come back to handle().
  void inject(uint32_t source, uint32_t root, const Burst& burst);
  void handle(const Event& event);
  // Bursts of which the last copy has begun to enter its unit in this cycle; the caller clears them.
  std::vector<Burst> delivered;

  [[nodiscard]] int64_t bursts_under_way() const { return under_way_; }
  // Vectors, each once for every unit that takes a copy.
  [[nodiscard]] int64_t vectors_injected() const { return injected_; }
  [[nodiscard]] int64_t vectors_delivered() const { return delivered_; }
  [[nodiscard]] int64_t vector_hops() const { return hops_; }
  [[nodiscard]] int64_t link_wait_cycles() const { return link_wait_; }

  static constexpr uint32_t kVirtualChannels = 4;  // sim/noc/rdn.h

 private:
  struct Item {
    uint32_t burst = 0;
    uint32_t point = 0;
  };
  struct Return {
    int64_t cycle = 0;
    int64_t vectors = 0;
  };
  struct Fifo {
    Ring<Item> items;
    int64_t read_free = 0;  // cycle from which its port can be read again
    uint32_t pending = 0;   // outputs that the front burst still has to take
    int64_t room = 0;       // vectors
    Ring<Return> returns;   // of room, by cycle
    uint32_t link = kNone;  // that fills it
  };
  struct Request {
    uint32_t fifo = 0;
    uint32_t point = 0;  // behind the link; kNone: a delivery
    int64_t since = 0;
  };
  struct Link {
    int64_t interval = 1;
    int64_t latency = 0;
    int64_t free_cycle = 0;
    int64_t wake_cycle = -1;
    int64_t vectors = 0;
    uint32_t first_fifo = kNone;  // of its virtual channels; kNone: a port
    std::vector<Request> wanted;
  };
  struct Point {
    uint32_t link = kNone;
    uint32_t fifo = kNone;
    uint32_t port = kNone;  // if a unit takes a copy here
    std::vector<uint32_t> next;
  };

  void arrive(uint32_t fifo, const Item& item);
  void expose(uint32_t fifo);
  void serve(uint32_t link);
  // When the FIFO behind has room for the burst, as far as that is known.
  int64_t room_cycle(const Link& link, const Request& request);
  void send(Link& link, const Request& request);
  [[nodiscard]] uint32_t burst_of(const Request& request) const {
    return fifos_[request.fifo].items.front().burst;
  }
  void wake(uint32_t link, int64_t cycle);

  EventWheel* wheel_;
  std::vector<Link> links_;
  std::vector<Fifo> fifos_;
  std::vector<Point> points_;
  std::vector<Burst> bursts_;
  std::vector<uint32_t> free_bursts_;
  int64_t under_way_ = 0;
  int64_t injected_ = 0;
  int64_t delivered_ = 0;
  int64_t hops_ = 0;
  int64_t link_wait_ = 0;
};

}  // namespace rdusim::sim::cycle
