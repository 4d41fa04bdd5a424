// SPDX-License-Identifier: Apache-2.0
// Ops on strings, random numbers, windows and grids.
#include <gtest/gtest.h>

#include <cmath>

#include "ops/regex.h"
#include "ops/unicode.h"
#include "support/op_case.h"
#include "tensor/elements.h"

namespace planish::test {
namespace {

constexpr auto kShape = ErrorCode::kInvalidShape;
constexpr auto kValue = ErrorCode::kInvalidValue;
using Ints = std::vector<int64_t>;
using Texts = std::vector<std::string>;

// Tables of cases: one row, one line.
// clang-format off
TEST(Unicode, Case) {
  EXPECT_EQ(to_upper("straße äÿ ω я"), "STRAßE ÄŸ Ω Я");
  EXPECT_EQ(to_lower("ÀÉ ĀŽ ΩΆ ЯЁ"), "àé āž ωά яё");
  EXPECT_EQ(to_lower("A\xFF"
                     "B"),
            "a\xFF"
            "b");
}

TEST(Regex, Matches) {
  const struct {
    const char *pattern, *text;
    bool expected;
  } rows[] = {{"a*b", "aaab", true},
              {"a*b", "aab ", false},
              {"", "", true},
              {"", "x", false},
              {"a|bc", "bc", true},
              {"(a|b)+c?", "abab", true},
              {"a{2,3}", "a", false},
              {"a{2,3}", "aaa", true},
              {"a{2,3}", "aaaa", false},
              {"a{2}", "aa", true},
              {"a{2,}", "aaaaa", true},
              {"x{,2}", "x{,2}", true},
              {"[a-c]+", "abc", true},
              {"[^a-c]", "d", true},
              {"[^a-c]", "b", false},
              {"[]a]", "]", true},
              {"[a-]", "-", true},
              {"[[:digit:]x]+", "1x2", true},
              {"\\d+\\s\\w", "12 _", true},
              {"\\D", "1", false},
              {"[\\w.]+@\\w+", "a.b@c", true},
              {".", "\n", false},
              {"(?s).", "\n", true},
              {"(?i)straSSE", "STRAsse", true},
              {"(?i:a)b", "Ab", true},
              {"(?i:a)b", "AB", false},
              {"(?P<n>a)(?:b)", "ab", true},
              {"^a$", "a", true},
              {"a\\b b", "a b", true},
              {"a\\Bb", "ab", true},
              {"a\\bb", "ab", false},
              {"(?m)a$\n^b", "a\nb", true},
              {".", "ü", true},
              {"[à-ü]", "é", true},
              {"\\x41\\x{42}", "AB", true},
              {"\\Qa.b\\E+", "a.bb", true},
              {"(a*)*", "aaaa", true},
              {"(a|a)*b", "aaaa", false},
              {"(|a)+", "aa", true},
              {"\\.", ".", true},
              {"a.*?c", "abbc", true}};
  for (const auto& row : rows) EXPECT_EQ(Regex(row.pattern).matches_whole(row.text), row.expected) << row.pattern << " on " << row.text;
}

TEST(Regex, RefusesBadPatterns) {
  for (const char* pattern : {"(", ")", "a)", "[a", "*a", "a**", "a{2,1}", "a{1001}", "\\", "\\q", "[z-a]", "(?z)", "(?P<n", "\\x{110000}", "\\x{zz}", "[[:no:]]", "\\p{L}"})
    EXPECT_THROW(Regex{pattern}, Error) << pattern;
  EXPECT_THROW(Regex("((a{1000}){1000}){1000}"), Error);
  EXPECT_THROW(Regex(std::string(100000, '(')), Error);
}

TEST(Regex, TakesLinearTime) {
  const std::string text(20000, 'a');
  EXPECT_FALSE(Regex("(a+)+b").matches_whole(text));
  EXPECT_FALSE(Regex("(a|aa)+$b").matches_whole(text));
}

TEST(TextOps, Strings) {
  check_cases({
      {"concat", "StringConcat", {}, {texts({2, 1}, {"a", "b"}), texts({2}, {"x", ""})}, {texts({2, 2}, {"ax", "a", "bx", "b"})}},
      {"mismatch", "StringConcat", {}, {texts({2}, {"a", "b"}), texts({3}, {"x", "", ""})}, {}, kShape, "do not broadcast"},
      {"split", "StringSplit", {{"delimiter", ","}}, {texts({2}, {"a,,b", "c"})}, {texts({2, 3}, {"a", "", "b", "c", "", ""}), i64({2}, {3, 1})}},
      {"split at space", "StringSplit", {}, {texts({2}, {"  a \t b ", ""})}, {texts({2, 2}, {"a", "b", "", ""}), i64({2}, {2, 0})}},
      {"limited", "StringSplit", {{"maxsplit", int64_t{1}}}, {texts({1}, {"a b c "})}, {texts({1, 2}, {"a", "b c "}), i64({1}, {2})}},
      {"limited at delimiter", "StringSplit", {{"maxsplit", int64_t{1}}, {"delimiter", "--"}}, {texts({1}, {"a--b--c"})}, {texts({1, 2}, {"a", "b--c"}), i64({1}, {2})}},
      {"no strings", "StringSplit", {}, {texts({0}, {})}, {texts({0, 0}, {}), i64({0}, {})}},
      {"stopwords", "StringNormalizer", {{"stopwords", Texts{"Monday"}}, {"case_change_action", "UPPER"}}, {texts({1, 3}, {"monday", "übung", "x"})}, {texts({1, 2}, {"ÜBUNG", "X"})}},
      {"exact stopwords", "StringNormalizer", {{"stopwords", Texts{"Monday"}}, {"is_case_sensitive", int64_t{1}}}, {texts({2}, {"monday", "Monday"})}, {texts({1}, {"monday"})}},
      {"all stopped", "StringNormalizer", {{"stopwords", Texts{"a"}}}, {texts({2}, {"a", "a"})}, {texts({1}, {""})}},
      {"two rows", "StringNormalizer", {}, {texts({2, 1}, {"a", "a"})}, {}, kShape, "differ"},
      {"full match", "RegexFullMatch", {{"pattern", "a+"}}, {texts({2}, {"aa", "ab"})}, {boolean({2}, {1, 0})}},
      {"bad pattern", "RegexFullMatch", {{"pattern", "("}}, {texts({1}, {"aa"})}, {}, kValue, "pattern: missing )"},
      {"expensive", "RegexFullMatch", {{"pattern", "(a{1000}){100}"}}, {texts({1}, {std::string(1000, 'a')})}, {}, ErrorCode::kBudgetExceeded, "scalar operations", 0, {}, {.scalar_work = 1000000}},
  });
}

Attributes tf_idf(const char* mode, int64_t least, int64_t most, int64_t skips) {
  return {{"mode", mode},
          {"min_gram_length", least},
          {"max_gram_length", most},
          {"max_skip_count", skips},
          {"ngram_counts", Ints{0, 2}},
          {"ngram_indexes", Ints{0, 1, 2}},
          {"pool_int64s", Ints{5, 6, 5, 7}},
          {"weights", std::vector<double>{2, 3, 4}}};
}

TEST(TextOps, TfIdf) {
  const Tensor x = i64({2, 4}, {5, 6, 7, 5, 5, 7, 5, 7});
  check_cases({
      {"counts", "TfIdfVectorizer", tf_idf("TF", 1, 2, 0), {x}, {f32({2, 3}, {2, 1, 0, 2, 0, 2})}},
      {"skips", "TfIdfVectorizer", tf_idf("TF", 1, 2, 5), {x}, {f32({2, 3}, {2, 1, 1, 2, 0, 3})}},
      {"pairs", "TfIdfVectorizer", tf_idf("TF", 2, 2, 0), {x}, {f32({2, 3}, {0, 0, 0, 0, 0, 2})}},
      {"weights", "TfIdfVectorizer", tf_idf("IDF", 1, 2, 0), {i64({4}, {5, 6, 7, 5})}, {f32({3}, {2, 3, 0})}},
      {"both", "TfIdfVectorizer", tf_idf("TFIDF", 1, 2, 0), {i32({4}, {5, 6, 7, 5})}, {f32({3}, {4, 3, 0})}},
      {"empty row", "TfIdfVectorizer", tf_idf("TF", 1, 2, 0), {i64({0}, {})}, {f32({3}, {0, 0, 0})}},
      {"strings", "TfIdfVectorizer", tf_idf("TF", 1, 2, 0), {texts({1}, {"a"})}, {}, ErrorCode::kInvalidType, "tokens of type string"},
  });
}

TEST(RandomOps, DrawTheSameAgainAndStayInRange) {
  const OpCase uniform{"u", "RandomUniform", {{"shape", Ints{1000}}, {"low", 2.0}, {"high", 3.0}}, {}, {f32({}, {0})}};
  const std::vector<double> a = load<double>(evaluate_case(uniform)[0].tensor());
  EXPECT_EQ(a, load<double>(evaluate_case(uniform)[0].tensor()));
  double sum = 0;
  for (double v : a) {
    EXPECT_GE(v, 2);
    EXPECT_LE(v, 3);
    sum += v;
  }
  EXPECT_NEAR(sum / 1000, 2.5, 0.05);
  const OpCase normal{"n", "RandomNormalLike", {{"mean", 1.0}, {"scale", 2.0}, {"seed", 3.0}}, {counting(DType::kF64, {10000})}, {f32({}, {0})}};
  const std::vector<double> n = load<double>(evaluate_case(normal)[0].tensor());
  double mean = 0, square = 0;
  for (double v : n) mean += v / 1e4;
  for (double v : n) square += (v - mean) * (v - mean) / 1e4;
  EXPECT_NEAR(mean, 1, 0.1);
  EXPECT_NEAR(std::sqrt(square), 2, 0.1);
  const OpCase other{"m", "RandomUniform", uniform.attributes, {}, {f32({}, {0})}};
  EXPECT_NE(a, load<double>(evaluate_case(other)[0].tensor()));
}

TEST(RandomOps, Cases) {
  check_cases({
      {"sure", "Bernoulli", {{"dtype", int64_t{7}}}, {f32({3}, {0, 1, 1})}, {i64({3}, {0, 1, 1})}},
      {"no probability", "Bernoulli", {}, {f32({1}, {1.5})}, {}, kValue, "1.5"},
      {"one class", "Multinomial", {{"sample_size", int64_t{2}}}, {f32({2, 2}, {0, -1000, -1000, 0})}, {i32({2, 2}, {0, 0, 1, 1})}},
      {"no classes", "Multinomial", {}, {f32({1, 0}, {})}, {}, kValue, "no classes"},
      {"NaN", "Multinomial", {}, {f32({1, 1}, {std::nan("")})}, {}, kValue, "no probabilities"},
      {"negative", "RandomNormal", {{"shape", Ints{-1}}}, {}, {}, kShape, "negative"},
      {"integers", "RandomNormal", {{"shape", Ints{1}}, {"dtype", int64_t{7}}}, {}, {}, ErrorCode::kInvalidType, "int64"},
  });
}

TEST(SignalOps, WindowsAndGrids) {
  check_cases({
      {"periodic", "HannWindow", {}, {i64({}, {4})}, {f32({4}, {0, 0.5, 1, 0.5})}, {}, "", 1e-6},
      {"symmetric", "HannWindow", {{"periodic", int64_t{0}}, {"output_datatype", int64_t{11}}}, {i32({}, {3})}, {tensor(DType::kF64, {3}, {0, 1, 0})}},
      {"hamming", "HammingWindow", {{"periodic", int64_t{0}}}, {i64({}, {3})}, {f32({3}, {4.0 / 46, 1, 4.0 / 46})}},
      {"blackman", "BlackmanWindow", {{"periodic", int64_t{0}}}, {i64({}, {3})}, {f32({3}, {0, 1, 0})}},
      {"no window", "HannWindow", {}, {i64({}, {0})}, {f32({0}, {})}},
      {"negative", "HannWindow", {}, {i64({}, {-1})}, {}, kShape, "negative"},
      {"grid", "AffineGrid", {}, {f32({1, 2, 3}, {1, 0, 0, 0, 1, 0}), i64({4}, {1, 1, 1, 2})}, {f32({1, 1, 2, 2}, {-0.5, 0, 0.5, 0})}},
      {"aligned", "AffineGrid", {{"align_corners", int64_t{1}}}, {f32({1, 2, 3}, {0, 1, 0, 2, 0, 1}), i64({4}, {1, 1, 2, 2})}, {f32({1, 2, 2, 2}, {-1, -1, -1, 3, 1, -1, 1, 3})}},
      {"wrong theta", "AffineGrid", {}, {f32({1, 3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 0}), i64({4}, {1, 1, 1, 2})}, {}, kShape, "rows of theta"},
      {"fold", "Col2Im", {}, {f32({1, 4, 1}, {1, 2, 3, 4}), i64({2}, {2, 2}), i64({2}, {2, 2})}, {f32({1, 1, 2, 2}, {1, 2, 3, 4})}},
      {"overlapping", "Col2Im", {}, {f32({1, 2, 2}, {1, 2, 3, 4}), i64({2}, {1, 3}), i64({2}, {1, 2})}, {f32({1, 1, 1, 3}, {1, 5, 4})}},
      {"padded", "Col2Im", {{"pads", Ints{0, 1, 0, 1}}}, {f32({1, 1, 3}, {1, 2, 3}), i64({2}, {1, 1}), i64({2}, {1, 1})}, {f32({1, 1, 1, 1}, {2})}},
      {"wrong columns", "Col2Im", {}, {f32({1, 4, 2}, {1, 2, 3, 4, 5, 6, 7, 8}), i64({2}, {2, 2}), i64({2}, {2, 2})}, {}, kShape, "expected 1 columns"},
      {"mel outside", "MelWeightMatrix", {}, {i64({}, {2}), i64({}, {4}), i64({}, {100}), f32({}, {0}), f32({}, {9000})}, {}, kValue, "lies outside"},
      {"no rate", "MelWeightMatrix", {}, {i64({}, {2}), i64({}, {4}), i64({}, {0}), f32({}, {0}), f32({}, {10})}, {}, kValue, "sample_rate is 0"},
  });
}
// clang-format on

}  // namespace
}  // namespace planish::test
