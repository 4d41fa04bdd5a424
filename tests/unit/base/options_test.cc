// SPDX-License-Identifier: Apache-2.0
#include "base/options.h"

#include <gtest/gtest.h>

#include "planish/error.h"

namespace planish {
namespace {

TEST(Options, TextBecomesTypedValues) {
  Options o;
  set_option(o, "level", "5");
  set_option(o, "max_value_bytes", "2g");
  set_option(o, "tuning_seconds", "0.5");
  set_option(o, "embed_graph", "true");
  set_option(o, "precision", "bf16");
  EXPECT_EQ(o.level, 5);
  EXPECT_EQ(o.max_value_bytes, int64_t{2} << 30);
  EXPECT_EQ(o.tuning_seconds, 0.5);
  EXPECT_TRUE(o.embed_graph);
  EXPECT_EQ(o.precision, "bf16");
  EXPECT_EQ(o.run_limits().value_bytes, int64_t{2} << 30);
}

TEST(Options, BadValuesAreRefusedInASentence) {
  Options o;
  for (const auto& [name, text] :
       std::vector<std::pair<std::string, std::string>>{{"level", "6"},
                                                        {"level", ""},
                                                        {"level", "3x"},
                                                        {"level", "1.5"},
                                                        {"level", "3kk"},
                                                        {"max_value_bytes", "9999999999g"},
                                                        {"tolerance", "nan"},
                                                        {"tolerance", "2"},
                                                        {"precision", "fp31"},
                                                        {"precision", ""},
                                                        {"embed_graph", "maybe"}}) {
    try {
      set_option(o, name, text);
      ADD_FAILURE() << name << "=" << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(std::string(e.what()).find(name), std::string::npos) << e.what();
    }
  }
  EXPECT_EQ(o.level, Options{}.level);
}

TEST(Options, UnknownNamesGetTheNearestAsHint) {
  Options o;
  try {
    set_option(o, "treads", "2");
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.hint(), "did you mean threads?");
  }
}

TEST(Options, ListsAreTrimmed) {
  EXPECT_EQ(split_list(" a, b ,,c"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(split_list("").empty());
}

}  // namespace
}  // namespace planish
