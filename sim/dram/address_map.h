// Address map: a byte address to channel, pseudo channel, bank, row and column.
//
// Every slice of the mapping lands in one packed word:
//   | row | channel | pseudo channel : rank : bank group : bank | column |
// Moving bits and XORing them with the folded row are linear over single bits, so the word of an address is
// the XOR of the words of its pieces: decoding is one look-up for every nine address bits. Addresses wrap at
// the device's capacity.
#pragma once

#include <array>
#include <bit>
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

  [[nodiscard]] DramLocation decode(uint64_t address) const { return unpack(pack(address)); }

  // Decodes addresses that mostly follow each other: a step to the next burst turns over the bits up to the
  // lowest zero, and the word changes by the XOR of those bits' words.
  class Walker {
   public:
    explicit Walker(const DramAddressMap& map) : map_(map), word_(map.pack(0)) {}
    [[nodiscard]] DramLocation decode(uint64_t address) {
      const uint64_t burst = address >> map_.burst_bits_;
      if (burst == last_ + 1) {
        word_ ^= map_.steps_[static_cast<size_t>(std::countr_zero(burst))];
      } else {
        word_ = map_.pack(address);
      }
      last_ = burst;
      return map_.unpack(word_);
    }

   private:
    const DramAddressMap& map_;
    uint64_t last_ = 0;
    uint64_t word_;
  };

 private:
  [[nodiscard]] uint64_t pack(uint64_t address) const {
    uint64_t packed = 0;
    uint64_t rest = address >> burst_bits_;
    for (const Table& table : tables_) {
      packed ^= table[rest & (kTableSize - 1)];
      rest >>= kTableBits;
    }
    return packed;
  }
  [[nodiscard]] DramLocation unpack(uint64_t packed) const {
    return {static_cast<int32_t>((packed >> kChannelShift) & kChannelMask),
            static_cast<int32_t>((packed >> kBankShift) & kBankMask),
            static_cast<int32_t>(packed >> kRowShift), static_cast<int32_t>(packed & kColumnMask)};
  }

  // The packed word: 16 bits of column, 10 of bank, 14 of channel, 24 of row; check_dram() allows no more.
  static constexpr int kBankShift = 16;
  static constexpr int kChannelShift = 26;
  static constexpr int kRowShift = 40;
  static constexpr uint64_t kColumnMask = (uint64_t{1} << kBankShift) - 1;
  static constexpr uint64_t kBankMask = (uint64_t{1} << (kChannelShift - kBankShift)) - 1;
  static constexpr uint64_t kChannelMask = (uint64_t{1} << (kRowShift - kChannelShift)) - 1;

  // 512 words of 8 bytes: tables of a device of up to 2^36 bursts take half of a first-level cache.
  static constexpr int kTableBits = 9;
  static constexpr uint64_t kTableSize = uint64_t{1} << kTableBits;
  using Table = std::array<uint64_t, kTableSize>;

  struct Fold {
    int width = 0;
    int widest = 0;  // the first shift: width times a power of two, half of the row or more
    int to = 0;
  };
  [[nodiscard]] static uint64_t folded(const std::vector<Fold>& folds, uint64_t row);

  std::vector<Table> tables_;         // of the burst's number, lowest bits first
  std::array<uint64_t, 64> steps_{};  // [number of the lowest set bit of the burst that follows]
  int burst_bits_ = 0;
};

}  // namespace rdusim::sim
