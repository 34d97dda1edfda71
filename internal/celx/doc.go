// Package celx is the rule language of this project: CEL (the Common Expression
// Language) over free-form JSON, bounded and without side effects.
//
// A [Language] is a list of variables. It compiles texts to a [Condition] or a
// [Text], checks their types, and bounds what they may cost:
//
//   - an expression has at most [MaxExpression] characters;
//   - an evaluation with a comprehension, or with texts that could grow, is
//     measured, and stopped at [MaxCost]. Every other one is bounded when it is
//     compiled;
//   - comprehensions stop when their context ends;
//   - there is no clock, no time zone database, no input and no output.
//
// # Numbers
//
// JSON numbers are doubles, as everywhere in CEL, with two differences that keep
// anything from being rounded in silence. A whole number beyond ±2^53 is an
// integer as long as it fits into 64 bits, compares exactly, and is an error
// where no type holds it. And doubles and integers mix: data.amount + 1 is what
// it says, a whole result is exact, and dividing by zero is an error. What CEL
// itself defines on integers alone stays: 7 / 2 is 3, and 7.0 / 2 is 3.5. A
// number with a fraction is the nearest double.
package celx
