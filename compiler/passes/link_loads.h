// What the routes of a section have put on the links of the mesh so far, and the ways that a leg's next route
// takes there: of a few shapes that cannot deadlock (ways.h) the one whose fullest link leaves it most.
//
// A leg at hand shares a link with routes of its own, with reads that begin when its reads do (fellows,
// link_shares.h), and with what all others carry in a launch. Streams of the memory do not count beside each
// other, since they come in turn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/arch/fabric.h"
#include "base/program/program.h"
#include "compiler/passes/link_shares.h"
#include "compiler/passes/ways.h"

namespace rdusim::compiler {

class LinkLoads {
 public:
  using OwnLinks = std::vector<LegWays::OwnLink>;

  // Keeps references. `rates` of links, bytes a cycle.
  LinkLoads(const Fabric& fabric, const std::vector<double>& rates);

  [[nodiscard]] size_t links() const { return loads_.size(); }
  // Cycles of a launch as the stages and the memory have it.
  void plan(double cycles) { planned_ = cycles; }
  // What the fullest link carries takes it so many cycles.
  [[nodiscard]] double fullest_cycles() const;

  // `stream`: of the memory. `siblings`: by link, what the leg's port carries already over other channels,
  // the same tokens, which pass a link once; null: it leaves alone.
  void begin_leg(bool stream, std::vector<double>* siblings);
  // Routes of `theirs` bytes each beside routes of `part_bytes`; `alone`: as streams, in turn.
  void add_fellow(const OwnLinks& links, double theirs, double part_bytes, bool alone);
  [[nodiscard]] Route plain_way(TileId from, TileId to);
  // With its trunk along the source's row, if that is free enough; else along the one of a few rows that
  // leaves the slowest link most.
  [[nodiscard]] Route multicast(TileId from, const MulticastTo& to);
  // The leg takes a link for a route, or for one more.
  void own(LinkId l);
  // Counts the leg's routes, of `part_bytes` each. Returns its links.
  OwnLinks end_leg(double part_bytes);

  void remove(const OwnLinks& links, double part_bytes, bool stream);

 private:
  struct Load {  // bytes in a launch
    double all = 0;
    double streams = 0;  // of them by streams of the memory
  };
  // A link as the leg with this number sees it: asked for again and again while little changes.
  struct Shown {
    uint64_t leg = 0;
    double besides = 1;  // what others leave, part of its rate
    double free = 1;     // what one more route of the leg would get
  };

  [[nodiscard]] double free_part(LinkId l);
  [[nodiscard]] double besides(LinkId l) const;
  void find_free(LinkId l);
  // Of the fullest link of a straight way.
  [[nodiscard]] double least_free(TileId from, TileId to);
  [[nodiscard]] double least_free(TileId at, Heading heading, int64_t hops);
  static void count(Load& load, double bytes, bool stream);

  const Fabric& fabric_;
  const std::vector<double>& rates_;
  double planned_ = 1;
  std::vector<Load> loads_;  // by link, and so on
  // Of the leg at hand:
  uint64_t leg_ = 0;  // its number
  bool stream_ = false;
  std::vector<double>* siblings_ = nullptr;
  std::vector<Shown> shown_;
  std::vector<int> own_links_;        // routes
  std::vector<size_t> touched_;       // links that it has
  std::vector<double> fellow_parts_;  // what its fellows read, in routes of its own
  std::vector<double> fellow_bytes_;
  std::vector<size_t> fellow_links_;
};

}  // namespace rdusim::compiler
