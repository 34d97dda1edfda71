// Package doctest tests the repository's Markdown. It compiles every Go block, loads every
// policy bundle, and checks that shell blocks name only things that exist, that links (also those in
// comments of Go files) lead to existing pages and headings, and that inline code
// names only exported names of the packages. It has no code but tests, and they
// fail if they find nothing to check.
//
// A Go block is a whole file, declarations, or statements. Missing imports are added
// from a fixed table. Statements are compiled in a function that has a ctx and
// returns an error; they may leave a variable unused. Declarations that the block
// needs, but that the page should not show, are in a comment directly before the
// block:
//
//	<!-- doctest
//	func describe(r *http.Request) (aureus.Request, error) { return aureus.Request{}, nil }
//	-->
//
// The first line of the comment may have an option after a colon:
//
//	<!-- doctest: page              the declarations apply to all following blocks of the page
//	<!-- doctest: continue -->      the block continues the previous Go block
//	<!-- doctest: run -->           the block is a whole program, which is run and must succeed
//	<!-- doctest: test              the block contains tests, which are run and must pass
//	<!-- doctest: output -->        the block is the expected output of the program before it
//	<!-- doctest: in func(w http.ResponseWriter, r *http.Request) -->
//	                                the statements are compiled in a function of this type
//
// A block of YAML is a policy bundle, or the part of one that the page shows. The comment
// before it may have the lines that the page does not show, and the name of the file that
// the programs after it on the page find in their folder:
//
//	<!-- doctest: file ledger.yaml
//	aureus: policy/1
//	-->
//
// The bundle must load, its tests included.
//
// The blocks are compiled in a separate module, like the code of users, so they
// cannot import internal packages. A block cannot be excluded.
package doctest
