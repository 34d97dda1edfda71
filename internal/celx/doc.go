// Package celx is the rule language of this project: CEL (the Common Expression
// Language) over free-form JSON, with limits and without side effects.
//
// A [Language] has a list of variables. It compiles a text to a [Condition] or a
// [Text] and checks its types. These limits hold:
//
//   - An expression has at most [MaxExpression] characters.
//   - An evaluation with a comprehension, or with texts that could grow, counts
//     its cost and stops at [MaxCost]. The cost of all other expressions is limited
//     when they are compiled.
//   - Comprehensions stop when the context is done.
//   - Expressions have no access to a clock, input or output.
//
// [New] returns a language whose variables are free-form JSON, [NewPolicy] the language
// of policy bundles.
//
// # Numbers
//
// JSON numbers are doubles, as usual in CEL, and no number of the data is rounded
// without an error:
//
//   - A whole number beyond ±2^53 is an integer if it fits into 64 bits.
//   - A number that no type can represent exactly is an error: a whole number
//     beyond 64 bits that is not a double, or a number with more digits than a
//     double has. Two values of the data can still be compared: they are compared
//     as JSON, exactly.
//   - Doubles and integers can be mixed, as in data.amount + 1. A whole result is
//     exact, comparisons are exact, and division by zero is an error.
//   - string() writes plain decimal digits without an exponent: 123456789, 1 for
//     1.0, 0 for -0.0, and all digits of 1e21.
//   - double() rounds. NaN and the infinities are errors.
//
// Arithmetic on integers alone is that of standard CEL: 7 / 2 is 3, and 7.0 / 2 is
// 3.5. Arithmetic with fractions below 2^53 rounds like that of doubles. A number
// and a text are never equal: to look up a number in a list of texts, convert it
// with string().
package celx
