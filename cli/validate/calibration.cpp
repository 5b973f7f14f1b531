#include "cli/validate/calibration.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <cmath>

namespace rdusim::cli {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double kDifferenceStep = 1e-3;  // of a parameter's logarithm
constexpr double kConverged = 1e-4;       // largest step of a logarithm
constexpr int64_t kMostSteps = 12;
constexpr int kMostHalvings = 5;
// Keeps a direction that no point sees from growing; far below the squares of slopes that count.
constexpr double kDamping = 1e-9;

class Problem {
 public:
  Problem(ValidationContext& context, const ParameterFile& file)
      : context_(context), prefixes_(file.calibration_points), groups_(groups_of(prefixes_)) {
    for (const FreeParameter& parameter : file.parameters) {
      if (parameter.how == "fitted") parameters.push_back(parameter);
    }
  }

  std::vector<FreeParameter> parameters;
  std::vector<ValidationRow> rows;  // of the first evaluation

  Result<VectorXd> start() const {
    VectorXd x(static_cast<Index>(parameters.size()));
    for (size_t j = 0; j < parameters.size(); ++j) {
      RDU_ASSIGN(const double value, config_value(context_.session, parameters[j]));
      x[static_cast<Index>(j)] = std::log(value);
    }
    return x;
  }

  // ln(simulated / published) of every point.
  Result<VectorXd> residuals(const VectorXd& x) {
    std::vector<Change> changes;
    for (size_t j = 0; j < parameters.size(); ++j)
      changes.push_back({&parameters[j], std::exp(x[static_cast<Index>(j)])});
    RDU_ASSIGN(const auto all, rows_with(context_, groups_, changes));
    std::vector<double> found;
    const bool first = rows.empty();
    for (const auto& [id, row] : all) {
      if (!is_point(row)) continue;
      if (first) rows.push_back(row);
      found.push_back(std::log(row.simulated / row.published.low));
    }
    return VectorXd(Eigen::Map<VectorXd>(found.data(), static_cast<Index>(found.size())));
  }

  Result<MatrixXd> slopes(const VectorXd& x, const VectorXd& at_x) {
    MatrixXd slopes(at_x.size(), x.size());
    for (Index j = 0; j < x.size(); ++j) {
      VectorXd moved = x;
      moved[j] += kDifferenceStep;
      RDU_ASSIGN(const VectorXd there, residuals(moved));
      slopes.col(j) = (there - at_x) / kDifferenceStep;
    }
    return slopes;
  }

  [[nodiscard]] VectorXd within_bounds(VectorXd x) const {
    for (size_t j = 0; j < parameters.size(); ++j) {
      auto& value = x[static_cast<Index>(j)];
      value = std::clamp(value, std::log(parameters[j].low), std::log(parameters[j].high));
    }
    return x;
  }

 private:
  [[nodiscard]] bool is_point(const ValidationRow& row) const {
    if (row.published.is_range()) return false;
    for (const std::string& prefix : prefixes_) {
      if (row.id.starts_with(prefix)) return true;
    }
    return false;
  }

  ValidationContext& context_;
  std::vector<std::string> prefixes_;
  std::vector<std::string> groups_;
};

VectorXd gauss_newton_step(const MatrixXd& slopes, const VectorXd& residuals) {
  MatrixXd normal = slopes.transpose() * slopes;
  normal.diagonal().array() += kDamping;
  return -normal.ldlt().solve(slopes.transpose() * residuals);
}

double rms_percent(const VectorXd& logarithms) {
  return 100 * std::sqrt(logarithms.squaredNorm() / static_cast<double>(logarithms.size()));
}

struct Optimum {
  VectorXd x;
  VectorXd residuals;
  MatrixXd slopes;
  int64_t steps = 0;
};

Result<Optimum> minimise(Problem& problem, VectorXd x, VectorXd residuals) {
  Optimum best{std::move(x), std::move(residuals), {}, 0};
  while (true) {
    RDU_ASSIGN(best.slopes, problem.slopes(best.x, best.residuals));
    if (best.steps == kMostSteps) return best;
    VectorXd step = gauss_newton_step(best.slopes, best.residuals);
    bool better = false;
    for (int halving = 0; halving <= kMostHalvings && !better; ++halving, step /= 2) {
      const VectorXd trial = problem.within_bounds(best.x + step);
      if ((trial - best.x).cwiseAbs().maxCoeff() < kConverged) return best;
      RDU_ASSIGN(const VectorXd there, problem.residuals(trial));
      better = there.squaredNorm() < best.residuals.squaredNorm();
      if (better) {
        best.x = trial;
        best.residuals = there;
      }
    }
    if (!better) return best;
    ++best.steps;
  }
}

// ln(predicted / published) of point i by a fit without it.
double left_out(const Optimum& best, Index i) {
  MatrixXd slopes = best.slopes;
  VectorXd residuals = best.residuals;
  slopes.row(i).setZero();
  residuals[i] = 0;
  return best.residuals[i] + best.slopes.row(i).dot(gauss_newton_step(slopes, residuals));
}

}  // namespace

Result<Calibration> calibrate(ValidationContext& context, const ParameterFile& file) {
  Problem problem(context, file);
  RDU_ASSIGN(const VectorXd start, problem.start());
  RDU_ASSIGN(const VectorXd with_configs, problem.residuals(start));
  if (with_configs.size() < start.size() || start.size() == 0) {
    return Error{ErrorCode::kInvalidInput, "calibration_points",
                 fmt::format("{} points for {} parameters", with_configs.size(), start.size()),
                 "name rows by the beginning of their ids: rdusim validate --json - has them"};
  }
  RDU_ASSIGN(const Optimum best, minimise(problem, start, with_configs));
  Calibration result;
  result.parameters = problem.parameters;
  result.steps = best.steps;
  for (Index j = 0; j < start.size(); ++j) {
    result.configs.push_back(std::exp(start[j]));
    result.fitted.push_back(std::exp(best.x[j]));
  }
  VectorXd predicted(best.residuals.size());
  for (Index i = 0; i < best.residuals.size(); ++i) {
    const ValidationRow& row = problem.rows[static_cast<size_t>(i)];
    const double published = row.published.low;
    predicted[i] = left_out(best, i);
    result.points.push_back({row.id,
                             row.what,
                             published,
                             published * std::exp(with_configs[i]),
                             published * std::exp(best.residuals[i]),
                             published * std::exp(predicted[i]),
                             {}});
    for (Index j = 0; j < start.size(); ++j) result.points.back().slopes.push_back(best.slopes(i, j));
  }
  result.rms_configs_percent = rms_percent(with_configs);
  result.rms_fitted_percent = rms_percent(best.residuals);
  result.rms_left_out_percent = rms_percent(predicted);
  return result;
}

}  // namespace rdusim::cli
