// A chip small enough to reason about by hand. The numbers are round, not those of any product.
#pragma once

#include "base/arch/chip.h"

namespace rdusim::testing {

inline ChipSpec small_chip() {
  ChipSpec chip;
  chip.name = "small";
  chip.clock_hz = 1e9;
  chip.dies = 1;
  chip.pcu = {64, 32, 6, 32, 8};
  chip.pmu = {96, 512 << 10, 16, 64};
  chip.rdn = {64, 2, 4};
  chip.hbm = {int64_t{1} << 30, 1e12, 0, 0, 100, 64, 4};
  chip.ddr = {int64_t{1} << 32, 1e11, 0, 0, 200, 64, 2};
  chip.dma_bandwidth_bytes_per_s = 5e10;
  chip.dma_setup_s = 1e-6;
  chip.agcu_ports = 16;
  chip.agcu_port_bytes_per_cycle = 64;
  return chip;
}

inline NodeSpec small_node(int64_t sockets) {
  NodeSpec node;
  node.name = "small";
  node.sockets = sockets;
  node.chip = small_chip();
  node.link = {1e11, 200};
  node.stacks = {{"bare", 0, 0, 0, 0}};
  node.default_stack = "bare";
  return node;
}

}  // namespace rdusim::testing
