// Comparing a fixture's results with what is expected; the rules stand in fixture.h and, measured, in the
// fixtures' README.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "models/fixture.h"

namespace rdusim::models {
namespace {

// FP32 activations: room for another summation order and other exp approximations (fixtures' README,
// tolerance 2).
constexpr double kFp32MaxAbs = 1e-3;
// Least share of rows whose most likely token agrees (tolerance 3).
constexpr double kMinTop1Agreement = 0.9;

struct Tolerance {
  double max_abs = 0;
  std::optional<double> min_cosine;
};

struct Difference {
  double max_abs = 0;
  double min_cosine = 1;
};

// NaN counts as infinitely far.
double distance(float a, float b) {
  const double d = std::abs(static_cast<double>(a) - static_cast<double>(b));
  return std::isnan(d) ? std::numeric_limits<double>::infinity() : d;
}

// Two zero rows are alike; a zero row and another are not.
double row_cosine(const Tensor& a, const Tensor& b, int64_t row) {
  double dot = 0, aa = 0, bb = 0;
  for (int64_t c = 0; c < a.cols(); ++c) {
    const double x = static_cast<double>(a.at(row, c));
    const double y = static_cast<double>(b.at(row, c));
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  if (aa == 0 && bb == 0) return 1;
  const double cosine = dot / std::sqrt(aa * bb);
  return std::isnan(cosine) ? -1 : cosine;
}

Difference difference(const Tensor& found, const Tensor& expected) {
  Difference result;
  for (size_t i = 0; i < expected.values.size(); ++i) {
    result.max_abs = std::max(result.max_abs, distance(found.values[i], expected.values[i]));
  }
  for (int64_t r = 0; r < expected.rows(); ++r) {
    result.min_cosine = std::min(result.min_cosine, row_cosine(found, expected, r));
  }
  return result;
}

struct Best {
  int64_t column = 0;
  double gap = std::numeric_limits<double>::infinity();  // to the second best
};
// `skip`: a column that takes no part.
Best best_of_row(const Tensor& t, int64_t row, int64_t skip = -1) {
  Best best{skip == 0 ? 1 : 0, std::numeric_limits<double>::infinity()};
  for (int64_t c = best.column + 1; c < t.cols(); ++c) {
    if (c == skip) continue;
    const double lead = static_cast<double>(t.at(row, best.column)) - static_cast<double>(t.at(row, c));
    if (lead < 0) {
      best = {c, -lead};
    } else {
      best.gap = std::min(best.gap, lead);
    }
  }
  return best;
}

class Comparison {
 public:
  Comparison(const Fixture& fixture, DType activations, const TensorMap& results)
      : fixture_(fixture), activations_(activations), results_(results) {
    report_.name = fixture.name;
    report_.dtype = activations;
    const bool clip = fixture.model->family() == "clip";
    main_result_ = clip                                     ? "image_projection"
                   : fixture.model->supports(Phase::kEmbed) ? "embeddings"
                                                            : "logits";
  }

  Result<FixtureReport> run() {
    if (fixture_.model->supports(Phase::kRoute)) {
      RDU_CHECK_OK(compare_router());
    } else {
      RDU_CHECK_OK(compare_all());
      const bool ranks_tokens = main_result_ == "logits";
      if (ranks_tokens) RDU_CHECK_OK(compare_top1());
      if (main_result_ == "embeddings") RDU_CHECK_OK(compare_nearest());
    }
    report_.passed = report_.failures.empty() && report_.compared_tensors > 0;
    return std::move(report_);
  }

 private:
  // "seq0.prompt_logits" -> "logits"; "seq0.last_hidden" -> "last_hidden".
  static std::string tolerance_key(const std::string& tensor) {
    const std::string base = tensor.substr(tensor.find('.') + 1);
    return base == "prompt_logits" || base == "decode_logits" ? "logits" : base;
  }

  // Absent: the fixture states none for this tensor.
  Result<std::optional<Tolerance>> tolerance(const std::string& tensor) const {
    if (activations_ == DType::kFp32 && !fixture_.model->supports(Phase::kRoute)) {
      return std::optional<Tolerance>(Tolerance{kFp32MaxAbs, std::nullopt});
    }
    const DocumentNode* node = fixture_.tolerances.find(tensor);
    if (node == nullptr) node = fixture_.tolerances.find(tolerance_key(tensor));
    if (node == nullptr) return std::optional<Tolerance>();
    Tolerance result;
    RDU_ASSIGN(const DocumentNode* max_abs, node->at("max_abs"));
    RDU_ASSIGN(result.max_abs, max_abs->as_real());
    if (const DocumentNode* min_cosine = node->find("min_cosine")) {
      RDU_ASSIGN(result.min_cosine, min_cosine->as_real());
    }
    return std::optional<Tolerance>(result);
  }

  void fail(std::string text) { report_.failures.push_back(std::move(text)); }

  // Both tensors, if they can be compared; a result of another size is a failure.
  const Tensor* found(const std::string& name) {
    const auto result = results_.find(name);
    const auto expected = fixture_.expected.find(name);
    if (result == results_.end() || expected == fixture_.expected.end()) {
      fail(fmt::format("{}: not computed or not expected", name));
      return nullptr;
    }
    if (result->second.values.size() != expected->second.values.size()) {
      fail(fmt::format("{}: {} numbers, expected {}", name, result->second.values.size(),
                       expected->second.values.size()));
      return nullptr;
    }
    return &result->second;
  }

  Status compare(const std::string& name, bool main_result) {
    const Tensor* result = found(name);
    RDU_ASSIGN(const std::optional<Tolerance> allowed, tolerance(name));
    if (result == nullptr || !allowed.has_value()) return {};
    ++report_.compared_tensors;
    Tensor same_shape = *result;  // [m,1] and [m] hold the same numbers
    same_shape.shape = fixture_.expected.at(name).shape;
    const Difference d = difference(same_shape, fixture_.expected.at(name));
    if (main_result) {
      report_.max_abs_error = std::max(report_.max_abs_error, d.max_abs);
      report_.min_cosine = std::min(report_.min_cosine, d.min_cosine);
    }
    if (d.max_abs > allowed->max_abs) {
      fail(fmt::format("{}: max abs error {:.3g}, allowed {:.3g}", name, d.max_abs, allowed->max_abs));
    }
    if (allowed->min_cosine.has_value() && d.min_cosine < *allowed->min_cosine) {
      fail(fmt::format("{}: row cosine {:.6f}, allowed {:.6f}", name, d.min_cosine, *allowed->min_cosine));
    }
    return {};
  }

  // Everything that was computed and is expected; the main results must be among it.
  Status compare_all() {
    int64_t main_results = 0;
    for (const auto& [name, tensor] : results_) {
      const bool main_result = tolerance_key(name) == main_result_;
      main_results += main_result ? 1 : 0;
      RDU_CHECK_OK(compare(name, main_result));
    }
    if (main_results == 0) fail("nothing was computed");
    return {};
  }

  Status compare_top1() {
    double must_match_gap =
        2 * kFp32MaxAbs;  // two errors of that size can close a gap of twice the tolerance
    double least_agreement = kMinTop1Agreement;
    if (activations_ == DType::kBf16) {
      RDU_ASSIGN(const DocumentNode* gap, fixture_.tolerances.at("top1_must_match_where_gap_exceeds"));
      RDU_ASSIGN(must_match_gap, gap->as_real());
      RDU_ASSIGN(const DocumentNode* agreement, fixture_.tolerances.at("top1_agreement"));
      RDU_ASSIGN(least_agreement, agreement->as_real());
    }
    int64_t rows = 0;
    int64_t agreeing = 0;
    for (const auto& [name, result] : results_) {
      if (tolerance_key(name) != "logits" || found(name) == nullptr) continue;
      const Tensor& expected = fixture_.expected.at(name);
      for (int64_t r = 0; r < expected.rows(); ++r) {
        const Best wanted = best_of_row(expected, r);
        const bool agrees = best_of_row(result, r).column == wanted.column;
        ++rows;
        agreeing += agrees ? 1 : 0;
        if (!agrees && wanted.gap > must_match_gap) {
          fail(fmt::format("{} row {}: another token is most likely, the expected gap is {:.3g}", name, r,
                           wanted.gap));
        }
      }
    }
    if (rows > 0) report_.top1_agreement = static_cast<double>(agreeing) / static_cast<double>(rows);
    if (report_.top1_agreement < least_agreement) {
      fail(fmt::format("top-1 agreement {:.3f}, allowed {:.3f}", report_.top1_agreement, least_agreement));
    }
    return {};
  }

  // Which other sequence each embedding is nearest to; reported, without a tolerance of its own.
  Status compare_nearest() {
    const Tensor* result = found("cosine");
    if (result == nullptr || result->rows() < 2) return {};
    const Tensor& expected = fixture_.expected.at("cosine");
    int64_t agreeing = 0;
    for (int64_t r = 0; r < expected.rows(); ++r) {
      agreeing += best_of_row(*result, r, r).column == best_of_row(expected, r, r).column ? 1 : 0;
    }
    report_.top1_agreement = static_cast<double>(agreeing) / static_cast<double>(expected.rows());
    return {};
  }

  Status compare_router() {
    RDU_CHECK_OK(compare("similarity", true));
    RDU_CHECK_OK(compare("entropy", false));
    if (const Tensor* similarity = found("neighbor_similarity"); similarity != nullptr) {
      RDU_ASSIGN(const std::optional<Tolerance> allowed, tolerance("similarity"));
      const double error = difference(*similarity, fixture_.expected.at("neighbor_similarity")).max_abs;
      if (allowed.has_value() && error > allowed->max_abs) {
        fail(fmt::format("neighbor_similarity: max abs error {:.3g}, allowed {:.3g}", error,
                         allowed->max_abs));
      }
    }
    for (const char* const name : {"neighbors", "votes", "fallback", "expert"}) {
      const Tensor* result = found(name);
      if (result == nullptr) continue;
      ++report_.compared_tensors;
      int64_t wrong = 0;
      const std::vector<float>& expected = fixture_.expected.at(name).values;
      for (size_t i = 0; i < expected.size(); ++i) wrong += result->values[i] != expected[i] ? 1 : 0;
      if (wrong > 0) fail(fmt::format("{}: {} of {} differ, none may", name, wrong, expected.size()));
      if (std::string_view(name) == "expert") {
        report_.top1_agreement = 1.0 - static_cast<double>(wrong) / static_cast<double>(expected.size());
      }
    }
    return {};
  }

  const Fixture& fixture_;
  DType activations_;
  const TensorMap& results_;
  std::string main_result_;
  FixtureReport report_;
};

}  // namespace

Result<FixtureReport> compare_fixture(const Fixture& fixture, DType activations, const TensorMap& results) {
  return Comparison(fixture, activations, results).run();
}

}  // namespace rdusim::models
