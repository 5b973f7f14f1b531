// The DRAM model's short cuts beside their slow twins: the list of banks by age, the set of banks that wait
// for a row command, and the address walker.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <map>
#include <vector>

#include "base/arch/dram_fields.h"
#include "base/random.h"
#include "sim/dram/address_map.h"
#include "sim/dram/oldest_first.h"
#include "sim/dram/row_set.h"

namespace rdusim::sim {
namespace {

std::vector<int> banks_of(const OldestFirst& list) {
  std::vector<int> banks;
  for (int b = list.first(); b != OldestFirst::kEnd; b = list.next(b)) banks.push_back(b);
  return banks;
}

TEST(DramOldestFirst, KeepsBanksInOrderOfAge) {
  OldestFirst list;
  EXPECT_TRUE(list.empty());
  list.place(5, 20);
  list.place(63, 10);
  list.place(0, 30);
  EXPECT_EQ(banks_of(list), (std::vector<int>{63, 5, 0}));
  list.advance(63, 15);  // still the oldest
  EXPECT_EQ(banks_of(list), (std::vector<int>{63, 5, 0}));
  list.advance(63, 25);
  EXPECT_EQ(banks_of(list), (std::vector<int>{5, 63, 0}));
  list.place(0, 1);  // an older hit than before
  EXPECT_EQ(banks_of(list), (std::vector<int>{0, 5, 63}));
  list.remove(5);
  list.remove(7);  // not in the list
  EXPECT_EQ(banks_of(list), (std::vector<int>{0, 63}));
  EXPECT_FALSE(list.contains(5));
  EXPECT_EQ(list.order(63), 25U);
}

TEST(DramRowSet, EqualsALookAtEveryBankUnderRandomUse) {
  Random random(11);
  RowSet set;
  std::map<int, int64_t> ready_of;
  int64_t now = 0;
  for (int step = 0; step < 5000; ++step) {
    now += static_cast<int64_t>(random.below(3));
    set.pass_to(now);
    const auto bank = static_cast<int>(random.below(RowSet::kBanks));
    const int64_t ready = now + static_cast<int64_t>(random.below(60));
    switch (random.below(3)) {
      case 0:
        ready_of.try_emplace(bank, ready);  // one that waits already stays as it is
        set.place(bank, ready, static_cast<uint64_t>(step));
        break;
      case 1:
        ready_of.erase(bank);
        set.remove(bank);
        break;
      default:
        if (ready_of.contains(bank)) ready_of[bank] = std::max(ready_of[bank], ready);
        set.put_off(bank, ready);
    }
    set.pass_to(now);
    uint64_t due = 0;
    int64_t next = kNever;
    for (const auto& [b, tick] : ready_of) {
      ASSERT_TRUE(set.contains(b));
      ASSERT_EQ(set.ready(b), tick);
      ASSERT_LE(set.least_order(), set.order(b));
      if (tick <= now) due |= uint64_t{1} << b;
      if (tick > now) next = std::min(next, tick);
    }
    ASSERT_EQ(static_cast<size_t>(std::popcount(set.banks())), ready_of.size());
    ASSERT_EQ(set.due(), due) << step;
    ASSERT_EQ(set.next(), next) << step;
  }
}

TEST(DramOldestFirst, EqualsASortedMapUnderRandomUse) {
  Random random(7);
  OldestFirst list;
  std::map<uint64_t, int> by_order;
  std::map<int, uint64_t> order_of;
  for (uint64_t step = 1; step <= 5000; ++step) {
    const auto bank = static_cast<int>(random.below(OldestFirst::kBanks));
    const bool known = order_of.contains(bank);
    if (known) by_order.erase(order_of[bank]);
    if (known && random.below(3) == 0) {
      order_of.erase(bank);
      list.remove(bank);
    } else {
      uint64_t order = random.below(1'000'000'000);
      while (by_order.contains(order)) ++order;
      by_order[order] = bank;
      order_of[bank] = order;
      list.place(bank, order);
    }
    std::vector<int> expected;
    for (const auto& [order, of] : by_order) expected.push_back(of);
    ASSERT_EQ(banks_of(list), expected) << "step " << step;
  }
}

TEST(DramAddressWalker, DecodesAsTheMapDoesInAnyOrder) {
  ConfigContext context;
  context.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  for (const char* device : {"hbm3-6400", "ddr4-3200", "sn40l-hbm"}) {
    const auto spec = load_dram(context, device);
    ASSERT_TRUE(spec.ok()) << spec.error().to_string();
    const auto mapping = parse_dram_mapping(spec->controller.mapping, spec->organisation);
    ASSERT_TRUE(mapping.ok()) << mapping.error().to_string();
    const DramAddressMap map(spec->organisation, *mapping);
    DramAddressMap::Walker walker(map);
    const auto burst = static_cast<uint64_t>(spec->organisation.burst_bytes);
    const auto bursts =
        static_cast<uint64_t>(spec->organisation.channel_bytes() * spec->organisation.channels) / burst;
    Random random(11);
    for (int run = 0; run < 50; ++run) {
      uint64_t at = run == 0 ? 0 : random.below(bursts);
      for (int i = 0; i < 200; ++i, at = (at + 1) % bursts)
        ASSERT_EQ(walker.decode(at * burst), map.decode(at * burst)) << device << " burst " << at;
    }
  }
}

}  // namespace
}  // namespace rdusim::sim
