// Address map: a byte address to channel, pseudo channel, bank, row and column, as shifts and masks.
//
// Every slice of the mapping lands in one packed word, so decoding is a few operations a slice:
//   | row | channel | pseudo channel | rank : bank group : bank | column |
// Addresses wrap at the device's capacity.
#pragma once

#include <cstdint>
#include <vector>

#include "base/arch/dram_mapping.h"

namespace rdusim::sim {

struct DramLocation {
  int32_t channel = 0;
  int32_t bank = 0;  // of the channel: pseudo channel, rank, bank group, bank, from the highest digit down
  int32_t row = 0;
  int32_t column = 0;  // in bursts
  friend bool operator==(const DramLocation&, const DramLocation&) = default;
};

class DramAddressMap {
 public:
  DramAddressMap(const DramOrganisation& organisation, const DramMapping& mapping);

  [[nodiscard]] DramLocation decode(uint64_t address) {
    uint64_t packed = 0;
    for (const Move& move : moves_) packed |= ((address >> move.from) & move.mask) << move.to;
    const auto row = packed >> row_shift_;
    if (xor_row_) {
      if (row != last_row_) {  // streams stay in a row for long
        last_row_ = row;
        last_fold_ = folded(row);
      }
      packed ^= last_fold_;
    }
    return {static_cast<int32_t>((packed >> channel_shift_) & channel_mask_),
            static_cast<int32_t>((packed >> column_bits_) & bank_mask_), static_cast<int32_t>(row),
            static_cast<int32_t>(packed & column_mask_)};
  }

 private:
  struct Move {
    int from = 0;
    uint64_t mask = 0;
    int to = 0;
  };
  struct Fold {
    int width = 0;
    int widest = 0;  // the first shift: width times a power of two, half of the row or more
    int to = 0;
  };
  [[nodiscard]] uint64_t folded(uint64_t row) const;

  std::vector<Move> moves_;
  std::vector<Fold> folds_;  // fields that are XORed with the row folded to their width
  bool xor_row_ = false;
  uint64_t last_row_ = 0;
  uint64_t last_fold_ = 0;
  int column_bits_ = 0;
  int channel_shift_ = 0;
  int row_shift_ = 0;
  uint64_t column_mask_ = 0;
  uint64_t bank_mask_ = 0;
  uint64_t channel_mask_ = 0;
};

}  // namespace rdusim::sim
