// Group mesh: routers with virtual channels against BookSim 2: zero load, the worst latency below 90 % of
// saturation, saturation. Tolerances: as rdusim probe mesh --reference has them.
#include <algorithm>

#include "cli/probes/mesh_reference.h"
#include "cli/validate/groups.h"

namespace rdusim::cli {
namespace {

// The judged point whose latency is furthest off.
const MeshPoint* worst_point(const MeshSeries& series) {
  const MeshPoint* worst = nullptr;
  double largest = -1;
  for (const MeshPoint& point : series.points) {
    const double error = std::abs(point.ours / point.latency - 1);
    if (!series.judged(point) || error <= largest) continue;
    worst = &point;
    largest = error;
  }
  return worst;
}

}  // namespace

Result<ValidationRows> mesh_rows(ValidationContext& context) {
  context.progress.note("mesh of routers");
  RDU_ASSIGN(const auto all, mesh_comparisons(context.session, context.session.config.config_dir +
                                                                   "/reference/mesh_latency.csv"));
  ValidationRows rows;
  const auto add = [&](const MeshSeries& series, const char* what, double theirs, double ours,
                       const char* unit, double tolerance) {
    const std::string text = series.name + ": " + what;
    rows.push_back({row_id(text), text, "BookSim 2", Published::exactly(theirs), ours, unit, tolerance * 100,
                    "rdusim probe mesh --reference", ""});
  };
  for (const MeshSeries& series : all) {
    add(series, "latency at zero load", series.zero_load, series.ours.zero_load_latency_cycles, "cycles",
        kZeroLoadTolerance);
    if (const MeshPoint* worst = worst_point(series); worst != nullptr) {
      add(series, "latency, worst rate below 90 % of saturation", worst->latency, worst->ours, "cycles",
          kLatencyTolerance);
    }
    add(series, "saturation", series.saturation, series.ours.rate, "flits/node/cycle", kSaturationTolerance);
  }
  return rows;
}

}  // namespace rdusim::cli
