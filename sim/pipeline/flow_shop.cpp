#include "sim/pipeline/flow_shop.h"

#include <algorithm>

#include "base/check.h"

namespace rdusim::sim {
namespace {

using Row = std::vector<FlowStep>;

// What a step waited for last.
struct Wait {
  size_t job = 0;
  size_t machine = 0;
  int64_t end = 0;       // of that step; 0: it waited for nothing
  int64_t returned = 0;  // cycles between that end and this begin
};

class Shop {
 public:
  explicit Shop(const FlowShop& shop)
      : shop_(shop), groups_(shop.cycles.size()), machines_(shop.cycles.front().size()) {}

  void run_round() {
    for (size_t m = 0; m < groups_; ++m) {
      rows_.emplace_back();
      rows_.back().reserve(machines_);
      for (size_t q = 0; q < machines_; ++q) {
        const Wait wait = wait_of(rows_.size() - 1, q);
        const int64_t begin = wait.end + wait.returned;
        rows_.back().push_back({begin, begin + shop_.cycles[m][q]});
      }
    }
    ++rounds_;
  }

  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }
  [[nodiscard]] int64_t rounds() const { return rounds_; }
  [[nodiscard]] int64_t end_of_round(int64_t round) const {
    return rows_[static_cast<size_t>(round + 1) * groups_ - 1].back().end;
  }

  // Everything later rounds depend on, from the end of the round.
  [[nodiscard]] std::vector<int64_t> state(int64_t round) const {
    const size_t depth = std::max(groups_, static_cast<size_t>(shop_.slots));
    const size_t last = static_cast<size_t>(round + 1) * groups_;
    std::vector<int64_t> ends;
    if (last < depth) return ends;
    for (size_t j = last - depth; j < last; ++j) {
      for (const FlowStep& step : rows_[j]) ends.push_back(step.end - end_of_round(round));
    }
    return ends;
  }

  // From the end of round `from` (-1: from the first cycle) to that of round `to`.
  [[nodiscard]] FlowWindow window(int64_t from, int64_t to) const {
    FlowWindow w;
    const int64_t begin = from < 0 ? 0 : end_of_round(from);
    w.cycles = end_of_round(to) - begin;
    w.rounds = to - from;
    w.machines.resize(machines_);
    w.critical.assign(groups_, std::vector<int64_t>(machines_, 0));
    for (size_t m = 0; m < groups_; ++m) {
      for (size_t q = 0; q < machines_; ++q) w.machines[q].busy_cycles += w.rounds * shop_.cycles[m][q];
    }
    size_t job = static_cast<size_t>(to + 1) * groups_ - 1;
    size_t machine = machines_ - 1;
    for (;;) {
      const FlowStep& step = rows_[job][machine];
      const int64_t cycles = step.end - std::max(step.begin, begin);
      w.machines[machine].critical_cycles += cycles;
      w.critical[job % groups_][machine] += cycles;
      if (step.begin <= begin) break;
      const Wait wait = wait_of(job, machine);
      w.return_critical_cycles += step.begin - std::max(wait.end, begin);
      if (wait.end <= begin) break;
      job = wait.job;
      machine = wait.machine;
    }
    return w;
  }

 private:
  // Of equal waits the values' own way counts, then the machine, then buffers.
  [[nodiscard]] Wait wait_of(size_t job, size_t machine) const {
    Wait latest;
    const auto consider = [&](size_t j, size_t q, int64_t returned) {
      const int64_t end = rows_[j][q].end;
      if (end + returned > latest.end + latest.returned) latest = {j, q, end, returned};
    };
    if (machine > 0) consider(job, machine - 1, 0);
    if (machine == 0 && shop_.return_cycles && job >= groups_)
      consider(job - groups_, machines_ - 1, *shop_.return_cycles);
    if (job > 0) consider(job - 1, machine, 0);
    const auto slots = static_cast<size_t>(shop_.slots);
    if (job >= slots && machine + 1 < machines_) consider(job - slots, machine + 1, 0);
    return latest;
  }

  const FlowShop& shop_;
  size_t groups_;
  size_t machines_;
  std::vector<Row> rows_;  // by job: round x groups + group
  int64_t rounds_ = 0;
};

void check(const FlowShop& shop) {
  RDU_CHECK(!shop.cycles.empty() && shop.slots >= 1 && shop.return_cycles.value_or(0) >= 0,
            "{} micro-batches, {} slots", shop.cycles.size(), shop.slots);
  for (const auto& cycles : shop.cycles) {
    RDU_CHECK(cycles.size() % 2 == 1 && cycles.size() == shop.cycles.front().size(), "{} machines",
              cycles.size());
    for (const int64_t c : cycles) RDU_CHECK(c >= 0, "a step of {} cycles", c);
  }
}

// Rounds until a state comes again. kMostRounds is assumed: many times what loops of a node's stages take to
// become periodic; beyond it the mean of the later half counts, and the result says so.
void find_steady(Shop& shop, FlowRun& run) {
  std::vector<std::vector<int64_t>> states;
  while (shop.rounds() < kMostRounds) {
    std::vector<int64_t> now = shop.state(shop.rounds() - 1);
    for (size_t r = states.size(); r-- > 0;) {
      if (now.empty() || states[r] != now) continue;
      run.steady = shop.window(static_cast<int64_t>(r), shop.rounds() - 1);
      return;
    }
    states.push_back(std::move(now));
    shop.run_round();
  }
  run.periodic = false;
  run.steady = shop.window(kMostRounds / 2, kMostRounds - 1);
}

}  // namespace

double FlowWindow::bubble_share() const {
  if (cycles == 0) return 0;
  int64_t busy = 0;
  for (size_t q = 0; q < machines.size(); q += 2) busy += machines[q].busy_cycles;
  const auto stages = static_cast<double>((machines.size() + 1) / 2);
  return 1 - static_cast<double>(busy) / (stages * static_cast<double>(cycles));
}

std::optional<size_t> FlowWindow::binding() const {
  const auto most = std::max_element(
      machines.begin(), machines.end(),
      [](const MachineUse& a, const MachineUse& b) { return a.critical_cycles < b.critical_cycles; });
  if (most->critical_cycles < return_critical_cycles) return std::nullopt;
  return static_cast<size_t>(most - machines.begin());
}

FlowRun run_flow_shop(const FlowShop& flow_shop) {
  check(flow_shop);
  FlowRun run;
  Shop shop(flow_shop);
  shop.run_round();
  run.steps = shop.rows();
  run.first = shop.window(-1, 0);
  if (flow_shop.return_cycles) find_steady(shop, run);
  return run;
}

}  // namespace rdusim::sim
