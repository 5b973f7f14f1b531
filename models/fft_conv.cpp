// FlashFFTConv (model_type fft_conv): the circular convolution of real sequences of length N = n^2, each with
// a filter of its channel, by Fourier transforms that are matrix products (dft.h). A sequence is n rows of n
// numbers as it lies in memory.
//
//   transpose ─ F ─ twiddle ─ transpose ─ F ─ ⊙ spectrum ─ F⁻¹ ─ twiddle ─ transpose ─ F⁻¹ ─ transpose
//
// Complex numbers are two real tensors, and every step is the real operators that a framework would launch: a
// complex product of matrices is four linears, a difference and a sum; an elementwise one four products, a
// difference and a sum. 41 operators. Filters are given in the time domain ("filters" [channels, length]);
// their spectrum is a derived tensor. Pad with zeros to N >= sequence + filter for a causal convolution.
#include <fmt/format.h>

#include <cmath>

#include "models/blocks/decoder.h"
#include "models/blocks/net.h"
#include "models/config_reader.h"
#include "models/dft.h"
#include "models/request.h"

namespace rdusim::models {
namespace {

using compiler::OpKind;

struct Complex {
  ValueId re;
  ValueId im;
};

class FftConv : public Model {
 public:
  FftConv(std::string name, int64_t n, int64_t channels)
      : name_(std::move(name)), n_(n), channels_(channels) {}

  [[nodiscard]] std::string family() const override { return "fft_conv"; }
  [[nodiscard]] int64_t layers() const override { return 1; }
  [[nodiscard]] bool supports(Phase phase) const override { return phase == Phase::kEncode; }
  // Parameters are the filters; tables are constants.
  [[nodiscard]] ModelFacts facts() const override {
    Counts counts;
    counts.total = channels_ * n_ * n_;
    counts.active = counts.total;
    counts.macs = channels_ * n_ * n_ * 12 * n_;
    return facts_of(counts);
  }

  // The request's batch is the number of sequences a channel; its token counts do not matter.
  [[nodiscard]] Result<compiler::Graph> build(const GraphRequest& wanted) const override {
    RDU_CHECK_OK(check_request(*this, wanted));
    RDU_CHECK_OK(
        check_work(static_cast<double>(wanted.batch) * static_cast<double>(facts().flops_per_token)));
    if (wanted.batch != 1) {
      return Error{ErrorCode::kUnsupported, "graph request",
                   fmt::format("batch {} of a convolution", wanted.batch),
                   "more sequences are more channels of the config"};
    }
    GraphRequest request = wanted;
    request.batch = channels_;
    request.query_tokens = n_;
    Net net(name_, request);
    net.begin_layer(0);
    const ValueId u = net.input("u", channels_ * n_, n_, request.activations);
    const Complex spectrum = transform(net, u);
    const Complex filters = {filter(net, ComplexPart::kReal), filter(net, ComplexPart::kImaginary)};
    net.set_output(back(net, multiplied(net, "filtered", spectrum, filters)));
    net.end_layer();
    return std::move(net).take();
  }

 private:
  [[nodiscard]] ValueId filter(Net& net, ComplexPart part) const {
    const char* const name = part == ComplexPart::kReal ? "filter.re" : "filter.im";
    // A constant, for it streams by once and is not kept on chip as weights are.
    return net.constant(name, channels_ * n_, n_, spectrum_source("filters", n_, part));
  }
  [[nodiscard]] ValueId table(Net& net, ComplexPart part, bool inverse, bool twiddle) const {
    const std::string name = fmt::format("{}{}.{}", twiddle ? "twiddle" : "dft", inverse ? "_back" : "",
                                         part == ComplexPart::kReal ? "re" : "im");
    const std::string source = twiddle ? twiddle_source(n_, part, inverse) : dft_source(n_, part, inverse);
    return net.weight(name, n_, n_, source);
  }
  [[nodiscard]] Complex tables(Net& net, bool inverse, bool twiddle) const {
    return {table(net, ComplexPart::kReal, inverse, twiddle),
            table(net, ComplexPart::kImaginary, inverse, twiddle)};
  }

  static ValueId two(Net& net, OpKind op, const std::string& name, ValueId a, ValueId b) {
    return net.op(op, name, {a, b});
  }
  // (a.re + i a.im) (b.re + i b.im), by `product`.
  static Complex complex_product(Net& net, OpKind product, const std::string& name, Complex a, Complex b) {
    const ValueId rr = two(net, product, name + ".rr", a.re, b.re);
    const ValueId ii = two(net, product, name + ".ii", a.im, b.im);
    const ValueId ri = two(net, product, name + ".ri", a.re, b.im);
    const ValueId ir = two(net, product, name + ".ir", a.im, b.re);
    return {two(net, OpKind::kSub, name + ".re", rr, ii), two(net, OpKind::kAdd, name + ".im", ri, ir)};
  }
  static Complex multiplied(Net& net, const std::string& name, Complex a, Complex b) {
    return complex_product(net, OpKind::kMul, name, a, b);
  }
  static Complex turned(Net& net, const std::string& name, Complex a) {
    return {net.op(OpKind::kTranspose, name + ".re", {a.re}),
            net.op(OpKind::kTranspose, name + ".im", {a.im})};
  }

  [[nodiscard]] Complex transform(Net& net, ValueId u) const {
    const Complex f = tables(net, false, false);
    const ValueId columns = net.op(OpKind::kTranspose, "u_columns", {u});
    const Complex first = {two(net, OpKind::kLinear, "first.re", columns, f.re),
                           two(net, OpKind::kLinear, "first.im", columns, f.im)};
    const Complex twisted = multiplied(net, "twisted", first, tables(net, false, true));
    return complex_product(net, OpKind::kLinear, "second", turned(net, "rows", twisted), f);
  }
  [[nodiscard]] ValueId back(Net& net, Complex spectrum) const {
    const Complex f = tables(net, true, false);
    const Complex third = complex_product(net, OpKind::kLinear, "third", spectrum, f);
    const Complex twisted = multiplied(net, "twisted_back", third, tables(net, true, true));
    const Complex columns = turned(net, "columns", twisted);
    const ValueId rr = two(net, OpKind::kLinear, "fourth.rr", columns.re, f.re);
    const ValueId ii = two(net, OpKind::kLinear, "fourth.ii", columns.im, f.im);
    return net.op(OpKind::kTranspose, "y", {two(net, OpKind::kSub, "fourth.re", rr, ii)});
  }

  std::string name_;
  int64_t n_;
  int64_t channels_;
};

}  // namespace

Result<std::unique_ptr<Model>> make_fft_conv(const std::string& name, const DocumentNode& config) {
  ConfigReader reader(config);
  constexpr int64_t kMostLength = int64_t{1} << 24;
  RDU_ASSIGN(const int64_t length, reader.integer("length", 4, kMostLength));
  RDU_ASSIGN(const int64_t channels, reader.integer("channels", 1, 1 << 16));
  reader.ignore({"model_type"});
  RDU_CHECK_OK(reader.finish());
  const auto n = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(length))));
  if (n * n != length) {
    return config_error(config, ErrorCode::kInvalidInput, fmt::format("length {} is no square", length),
                        "pad the sequences with zeros to the next one");
  }
  return std::unique_ptr<Model>(std::make_unique<FftConv>(name, n, channels));
}

}  // namespace rdusim::models
