// SPDX-License-Identifier: Apache-2.0
// ai.onnx.ml: SVMRegressor, SVMClassifier (libsvm's and liblinear's models).
#include <algorithm>
#include <cmath>

#include "ops/ml/scores.h"

namespace planish {
namespace {

using ml::PostTransform;

enum class SvmKernel { kLinear, kPolynomial, kRadial, kSigmoid };

template <class Context>
SvmKernel svm_kernel(const Context& c) {
  const std::string name = c.attributes().text("kernel_type", "LINEAR");
  if (name == "LINEAR") return SvmKernel::kLinear;
  if (name == "POLY") return SvmKernel::kPolynomial;
  if (name == "RBF") return SvmKernel::kRadial;
  if (name == "SIGMOID") return SvmKernel::kSigmoid;
  c.fail(concat("kernel_type: there is no \"", name, "\""), ErrorCode::kInvalidModel);
}

struct KernelFunction {
  SvmKernel kind;
  double gamma = 0, offset = 0, degree = 0;

  double operator()(std::span<const double> a, std::span<const double> b) const {
    double dot = 0, distance = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      dot += a[i] * b[i];
      distance += (a[i] - b[i]) * (a[i] - b[i]);
    }
    switch (kind) {
      case SvmKernel::kLinear: return dot;
      case SvmKernel::kPolynomial: return std::pow(gamma * dot + offset, degree);
      case SvmKernel::kRadial: return std::exp(-gamma * distance);
      case SvmKernel::kSigmoid: return std::tanh(gamma * dot + offset);
    }
    return 0;
  }
};

KernelFunction kernel_function(const KernelContext& c) {
  KernelFunction f{svm_kernel(c)};
  const std::vector<double> parameters = c.attributes().reals("kernel_params", {});
  if (parameters.empty()) return f;
  c.require(parameters.size() == 3, "kernel_params: expected gamma, coef0 and degree");
  f.gamma = parameters[0];
  f.offset = parameters[1];
  f.degree = std::trunc(parameters[2]);
  return f;
}

// Rows of an attribute's numbers; fails if they are not `count` rows of `width`.
class AttributeRows {
 public:
  AttributeRows(const KernelContext& c, const char* name, size_t count, size_t width)
      : values_(c.attributes().reals(name)), width_(width) {
    if (count != 0 && values_.size() / count == width && values_.size() % count == 0) return;
    c.fail(concat(name, ": expected ", count, " rows of ", width, ", got ", values_.size(),
                  " numbers"),
           ErrorCode::kInvalidShape);
  }
  std::span<const double> operator[](size_t i) const {
    return std::span(values_).subspan(i * width_, width_);
  }

 private:
  const std::vector<double>& values_;
  size_t width_;
};

// ---- SVMRegressor

void infer_svm_regressor(InferContext& c) {
  svm_kernel(c);
  ml::post_transform(c);
  if (c.attributes().reals("rho").empty()) c.fail("rho is empty", ErrorCode::kInvalidModel);
  if (c.attributes().integer("n_supports", 0) < 0)
    c.fail("n_supports is negative", ErrorCode::kInvalidModel);
  set_tensor(c, 0, DType::kF32, Shape{ml::check_features(c, 0), Dim(1)});
}

void run_svm_regressor(KernelContext& c) {
  const ml::Matrix x = ml::feature_matrix(c, 0);
  const auto width = static_cast<size_t>(x.columns);
  const auto supports = static_cast<size_t>(c.attributes().integer("n_supports", 0));
  const bool one_class = flag(c.attributes(), "one_class", false);
  const AttributeRows weights(c, "coefficients", 1, supports > 0 ? supports : width);
  KernelFunction kernel = kernel_function(c);
  if (supports == 0) kernel.kind = SvmKernel::kLinear;
  std::vector<double> out;
  for (int64_t row = 0; row < x.rows; ++row) {
    double sum = c.attributes().reals("rho")[0];
    if (supports == 0) {
      sum += kernel(x.row(row), weights[0]);
    } else {
      const AttributeRows vectors(c, "support_vectors", supports, width);
      for (size_t k = 0; k < supports; ++k) sum += weights[0][k] * kernel(x.row(row), vectors[k]);
    }
    double score = one_class ? (sum > 0 ? 1.0 : -1.0) : sum;
    ml::transform_scores(ml::post_transform(c), std::span(&score, 1));
    out.push_back(score);
  }
  store(c.output(0), out);
}

// ---- SVMClassifier

struct SvmShape {
  size_t classes = 0, supports = 0;
  std::vector<size_t> first, count;  // of each class's support vectors
  bool has_probabilities = false;

  size_t pairs() const { return classes * (classes - 1) / 2; }
  // Scores of a row, before a second one is made of a single one.
  size_t scores() const { return supports == 0 || has_probabilities ? classes : pairs(); }
};

template <class Context>
SvmShape svm_shape(const Context& c, const ml::Labels& labels) {
  const Attributes& a = c.attributes();
  SvmShape s;
  s.classes = static_cast<size_t>(labels.count());
  for (int64_t n : a.integers("vectors_per_class", {})) {
    if (n < 0 || n > INT32_MAX)
      c.fail(concat("vectors_per_class holds ", n), ErrorCode::kInvalidModel);
    s.first.push_back(s.supports);
    s.count.push_back(static_cast<size_t>(n));
    s.supports += s.count.back();
  }
  if (s.supports > 0 && (s.first.size() != s.classes || s.classes < 2))
    c.fail(concat("vectors_per_class has ", s.first.size(), " entries for ", s.classes, " classes"),
           ErrorCode::kInvalidModel);
  const size_t a_count = a.reals("prob_a", {}).size(), b_count = a.reals("prob_b", {}).size();
  s.has_probabilities = s.supports > 0 && a_count > 0;
  if (s.has_probabilities && (a_count < s.pairs() || b_count < s.pairs()))
    c.fail(concat("prob_a and prob_b: expected ", s.pairs(), " entries"), ErrorCode::kInvalidModel);
  if (a.reals("rho").size() < (s.supports > 0 ? s.pairs() : 1))
    c.fail("rho is too short", ErrorCode::kInvalidModel);
  return s;
}

void infer_svm_classifier(InferContext& c) {
  const ml::Labels labels(c, "classlabels_ints", "classlabels_strings");
  const SvmShape s = svm_shape(c, labels);
  svm_kernel(c);
  ml::post_transform(c);
  const Dim rows = ml::check_features(c, 0);
  const bool probit = ml::post_transform(c) == PostTransform::kProbit;
  const auto width =
      static_cast<int64_t>(s.scores() == 1 && !probit && labels.count() == 2 ? 2 : s.scores());
  set_tensor(c, 0, labels.dtype(), Shape{rows});
  set_tensor(c, 1, DType::kF32, Shape{rows, width});
}

// Decisions between each pair of classes, and how many of them each class wins.
std::vector<double> pair_scores(const KernelContext& c, const SvmShape& s,
                                std::span<const double> row, const KernelFunction& kernel,
                                std::vector<double>& votes) {
  const AttributeRows vectors(c, "support_vectors", s.supports, row.size());
  const AttributeRows weights(c, "coefficients", s.classes - 1, s.supports);
  std::vector<double> near(s.supports), scores;
  for (size_t k = 0; k < s.supports; ++k) near[k] = kernel(row, vectors[k]);
  auto weighed = [&](size_t weight_row, size_t of_class) {
    double sum = 0;
    for (size_t k = s.first[of_class]; k < s.first[of_class] + s.count[of_class]; ++k)
      sum += weights[weight_row][k] * near[k];
    return sum;
  };
  votes.assign(s.classes, 0);
  for (size_t i = 0; i < s.classes; ++i) {
    for (size_t j = i + 1; j < s.classes; ++j) {
      scores.push_back(c.attributes().reals("rho")[scores.size()] + weighed(j - 1, i) +
                       weighed(i, j));
      ++votes[scores.back() > 0 ? i : j];
    }
  }
  return scores;
}

// Probabilities of the classes from those of the pairs: the second method of Wu, Lin and Weng
// (2004), as in libsvm.
std::vector<double> coupled_probabilities(size_t n, const std::vector<std::vector<double>>& r) {
  std::vector<std::vector<double>> q(n, std::vector<double>(n, 0));
  std::vector<double> p(n, 1 / static_cast<double>(n)), qp(n);
  for (size_t t = 0; t < n; ++t) {
    for (size_t j = 0; j < n; ++j) {
      if (j == t) continue;
      q[t][t] += r[j][t] * r[j][t];
      q[t][j] = -r[j][t] * r[t][j];
    }
  }
  for (size_t round = 0; round < std::max<size_t>(100, n); ++round) {
    double pqp = 0, error = 0;
    for (size_t t = 0; t < n; ++t) {
      qp[t] = 0;
      for (size_t j = 0; j < n; ++j) qp[t] += q[t][j] * p[j];
      pqp += p[t] * qp[t];
    }
    for (size_t t = 0; t < n; ++t) error = std::max(error, std::fabs(qp[t] - pqp));
    if (error < 0.005 / static_cast<double>(n)) break;
    for (size_t t = 0; t < n; ++t) {
      const double step = (pqp - qp[t]) / q[t][t];
      p[t] += step;
      pqp = (pqp + step * (step * q[t][t] + 2 * qp[t])) / (1 + step) / (1 + step);
      for (size_t j = 0; j < n; ++j) {
        qp[j] = (qp[j] + step * q[t][j]) / (1 + step);
        p[j] /= 1 + step;
      }
    }
  }
  return p;
}

std::vector<double> class_probabilities(const KernelContext& c, const SvmShape& s,
                                        const std::vector<double>& scores) {
  const auto &a = c.attributes().reals("prob_a"), &b = c.attributes().reals("prob_b");
  std::vector<std::vector<double>> r(s.classes, std::vector<double>(s.classes, 0));
  size_t at = 0;
  for (size_t i = 0; i < s.classes; ++i) {
    for (size_t j = i + 1; j < s.classes; ++j, ++at) {
      const double v = 1 / (1 + std::exp(scores[at] * a[at] + b[at]));
      r[i][j] = std::clamp(v, 1e-7, 1 - 1e-7);
      r[j][i] = 1 - r[i][j];
    }
  }
  return coupled_probabilities(s.classes, r);
}

std::vector<double> linear_class_scores(const KernelContext& c, const SvmShape& s,
                                        std::span<const double> row) {
  const AttributeRows weights(c, "coefficients", s.classes, row.size());
  std::vector<double> scores;
  for (size_t k = 0; k < s.classes; ++k)
    scores.push_back(c.attributes().reals("rho")[0] +
                     KernelFunction{SvmKernel::kLinear}(row, weights[k]));
  return scores;
}

void run_svm_classifier(KernelContext& c) {
  const ml::Matrix x = ml::feature_matrix(c, 0);
  const ml::Labels labels(c, "classlabels_ints", "classlabels_strings");
  const SvmShape s = svm_shape(c, labels);
  const KernelFunction kernel = kernel_function(c);
  const PostTransform after = ml::post_transform(c);
  std::vector<double> all;
  for (int64_t row = 0; row < x.rows; ++row) {
    std::vector<double> votes, scores;
    if (s.supports == 0)
      scores = linear_class_scores(c, s, x.row(row));
    else
      scores = pair_scores(c, s, x.row(row), kernel, votes);
    if (s.has_probabilities) scores = class_probabilities(c, s, scores);
    int64_t best = ml::best_place(votes.empty() ? scores : votes);
    // One label alone names the positive class.
    if (labels.count() == 1 && scores[0] <= 0) best = 1;
    if (scores.size() == 1 && after != PostTransform::kProbit && labels.count() == 2)
      scores.insert(scores.begin(), -scores[0]);
    ml::transform_scores(after, scores);
    if (c.wants_output(0)) labels.put(c.output(0), row, best);
    all.insert(all.end(), scores.begin(), scores.end());
  }
  if (c.wants_output(1)) store(c.output(1), all);
}

const RegisterOp kSvmRegressor(
    {.name = "ai.onnx.ml.SVMRegressor",
     .attributes =
         {required("coefficients", AttrKind::kFloats), optional("kernel_params", AttrKind::kFloats),
          optional("kernel_type", AttrKind::kString), optional("n_supports", AttrKind::kInt),
          optional("one_class", AttrKind::kInt), optional("post_transform", AttrKind::kString),
          required("rho", AttrKind::kFloats), optional("support_vectors", AttrKind::kFloats)},
     .infer = infer_svm_regressor,
     .run = run_svm_regressor,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_SVMRegressor.html"});
const RegisterOp kSvmClassifier(
    {.name = "ai.onnx.ml.SVMClassifier",
     .attributes =
         {optional("classlabels_ints", AttrKind::kInts),
          optional("classlabels_strings", AttrKind::kStrings),
          required("coefficients", AttrKind::kFloats), optional("kernel_params", AttrKind::kFloats),
          optional("kernel_type", AttrKind::kString), optional("post_transform", AttrKind::kString),
          optional("prob_a", AttrKind::kFloats), optional("prob_b", AttrKind::kFloats),
          required("rho", AttrKind::kFloats), optional("support_vectors", AttrKind::kFloats),
          optional("vectors_per_class", AttrKind::kInts)},
     .outputs = {1, 2},
     .infer = infer_svm_classifier,
     .run = run_svm_classifier,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_SVMClassifier.html"});

}  // namespace
}  // namespace planish
