// Package doctest compiles every Go block of the repository's Markdown, and
// checks that every shell block names only what exists, and that links lead to a
// page and a heading that exist, those in the comments of Go files included, and
// that inline code names only what our packages export. It has no code but tests,
// and they fail where they find nothing to check.
//
// A block is what a reader would copy: a whole file, declarations, or
// statements. Imports that it leaves out are filled in from a fixed table, and
// statements stand in a function that has a ctx and returns an error, and may
// leave a variable unused. What a reader can imagine but a compiler cannot
// stands in a comment right before the block, where the page does not show it:
//
//	<!-- doctest
//	func describe(r *http.Request) (aureus.Request, error) { return aureus.Request{}, nil }
//	-->
//
// The first line of the comment may have an option behind a colon:
//
//	<!-- doctest: page              the declarations serve every block that follows on the page
//	<!-- doctest: continue -->      the block goes on where the block before it ended
//	<!-- doctest: run -->           the block is a whole program: run it, it must succeed
//	<!-- doctest: in func(w http.ResponseWriter, r *http.Request) -->
//	                                the statements stand in a function of this type
//
// Pages compile as their readers' code does, outside of our modules: internal
// packages are out of reach. There is no way to leave a block out.
package doctest
