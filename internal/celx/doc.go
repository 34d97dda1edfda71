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
// JSON numbers are doubles, as everywhere in CEL, and nothing is rounded in
// silence:
//
//   - A whole number beyond ±2^53 is an integer as long as it fits into 64 bits.
//   - A number that no type holds exactly is an error: a whole number beyond 64
//     bits that is no double, or more digits than a double has. Two values of the
//     data are compared as JSON, exactly, whatever numbers they hold.
//   - Doubles and integers mix: data.amount + 1 is what it says, a whole result
//     is exact, and dividing by zero is an error. They compare exactly too.
//   - string() writes plain decimal digits, never an exponent: 123456789, 1 for
//     1.0, 0 for -0.0, and every digit of 1e21.
//   - double() rounds, and refuses NaN and the infinities.
//
// What CEL itself defines on integers alone stays: 7 / 2 is 3, and 7.0 / 2 is
// 3.5. Arithmetic with fractions below 2^53 rounds as doubles do. A number and a
// text are never equal: a list of texts is asked with string(…).
package celx
