package doctest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// fragment is a part of a page.
type fragment struct {
	page string // path of the page, for messages
	line int    // the number of the first line, from 1
	text string
}

// block is a fenced block, with the options of the comments before it.
type block struct {
	fragment
	language string
	context  []fragment // declarations that the page does not show
	before   []fragment // the blocks that this one continues, in order
	function string     // type of the function around its statements; empty means defaultFunction
	run      bool       // the program is run
	test     bool       // the tests in it are run
	prints   *fragment  // the expected output of the program; nil if the page does not show it

	file  string            // for a block of YAML: the file that it is for the programs after it
	reads map[string]string // for a program: the files that it finds in its folder, by name
}

// languages are the languages that a fenced block may name. Every block must
// name one, so that no Go block is left out of the check.
var languages = []string{"go", "sh", "console", "text", "json", "yaml", "http", "sql", "mermaid", "dockerfile", "diff"}

// reader reads a page line by line.
type reader struct {
	page  string
	lines []string
	at    int // index of the line being read

	blocks    []block
	forPage   []fragment // declarations for every block that follows
	next      block      // options for the next block, from comments
	announced int        // number of the line with those options, or 0
	continues bool
	output    bool // the next block is the expected output of the program before it

	written map[string]string // the files of the page until here, by name
}

// readPage returns the blocks of the page in order.
func readPage(page, text string) ([]block, error) {
	r := reader{page: page, lines: strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")}
	for ; r.at < len(r.lines); r.at++ {
		var err error
		switch line := strings.TrimSpace(r.lines[r.at]); {
		case strings.HasPrefix(line, commentStart):
			err = r.comment()
		case strings.HasPrefix(line, "```"), strings.HasPrefix(line, "~~~"):
			err = r.block()
		case line != "":
			err = r.checkAnnounced()
		}
		if err != nil {
			return nil, err
		}
	}
	return r.blocks, r.checkAnnounced()
}

func (r *reader) errorf(line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", r.page, line, fmt.Sprintf(format, args...))
}

func (r *reader) checkAnnounced() error {
	if r.announced == 0 {
		return nil
	}
	if r.output {
		return r.errorf(r.announced, "the comment doctest: output belongs right before a block of text")
	}
	return r.errorf(r.announced, "a doctest comment belongs right before a block of Go or YAML")
}

const commentStart, commentEnd = "<!-- doctest", "-->"

// comment reads a doctest comment.
func (r *reader) comment() error {
	first := r.at
	for !strings.Contains(r.lines[r.at], commentEnd) {
		r.at++
		if r.at == len(r.lines) {
			return r.errorf(first+1, "this comment has no end")
		}
	}
	text := strings.TrimPrefix(strings.TrimSpace(strings.Join(r.lines[first:r.at+1], "\n")), commentStart)
	text, _, _ = strings.Cut(text, commentEnd)
	option, declarations, _ := strings.Cut(text, "\n")
	option = strings.TrimSpace(strings.TrimPrefix(option, ":"))
	hidden := fragment{page: r.page, line: first + 2, text: declarations}

	if option == "page" {
		r.forPage = append(r.forPage, hidden)
		return nil
	}
	r.announced = first + 1
	if strings.TrimSpace(declarations) != "" {
		r.next.context = append(r.next.context, hidden)
	}
	function, in := strings.CutPrefix(option, "in ")
	file, named := strings.CutPrefix(option, "file ")
	switch {
	case option == "":
	case option == "continue":
		r.continues = true
	case option == "run":
		r.next.run = true
	case option == "test":
		r.next.test = true
	case option == "output":
		r.output = true
	case in:
		r.next.function = function
	case named:
		r.next.file = file
	default:
		return r.errorf(first+1, "%q is not an option of doctest; the options are page, continue, run, test, output, in and file", option)
	}
	return nil
}

// block reads a fenced block.
func (r *reader) block() error {
	first := r.at
	opening := strings.TrimLeft(r.lines[first], " ")
	indent := len(r.lines[first]) - len(opening)
	word := strings.TrimLeft(opening, opening[:1])
	fence := opening[:len(opening)-len(word)]

	var content []string
	for {
		r.at++
		if r.at == len(r.lines) {
			return r.errorf(first+1, "this block has no end")
		}
		line := r.lines[r.at]
		if end := strings.TrimSpace(line); strings.HasPrefix(end, fence) && strings.Trim(end, fence[:1]) == "" {
			break
		}
		content = append(content, line[min(indent, len(line)-len(strings.TrimLeft(line, " "))):])
	}

	b := r.next
	b.language, _, _ = strings.Cut(strings.TrimSpace(word), " ")
	b.fragment = fragment{page: r.page, line: first + 2, text: strings.Join(content, "\n") + "\n"}
	if !slices.Contains(languages, b.language) {
		return r.errorf(first+1, "a block must name its language, one of %s; this one names %q", strings.Join(languages, ", "), b.language)
	}
	if b.language == "text" && r.output {
		return r.printed(b.fragment)
	}
	if b.language == "yaml" {
		return r.bundle(b)
	}
	if b.language != "go" {
		r.blocks = append(r.blocks, b)
		return r.checkAnnounced()
	}
	if r.output {
		return r.checkAnnounced()
	}
	if b.file != "" {
		return r.errorf(r.announced, "only a block of YAML is a file for programs, and this block is Go")
	}
	b.reads = r.written
	b.context = slices.Concat(r.forPage, b.context)
	if r.continues {
		last := len(r.blocks) - 1
		for last >= 0 && r.blocks[last].language != "go" {
			last--
		}
		if last < 0 {
			return r.errorf(first+1, "there is no Go block before this one to continue")
		}
		b.before = append(slices.Clone(r.blocks[last].before), r.blocks[last].fragment)
		b.context = slices.Concat(r.blocks[last].context, b.context[len(r.forPage):])
	}
	r.blocks = append(r.blocks, b)
	r.next, r.announced, r.continues = block{}, 0, false
	return nil
}

// bundle adds a block of YAML, which is a policy bundle after the lines of its comment.
func (r *reader) bundle(b block) error {
	if r.output || r.continues || b.run || b.test || b.function != "" {
		return r.errorf(r.announced, "before a block of YAML, a doctest comment has no option but file")
	}
	if b.file != "" {
		files := maps.Clone(r.written)
		if files == nil {
			files = map[string]string{}
		}
		files[b.file] = b.bundleText()
		r.written = files
	}
	r.blocks = append(r.blocks, b)
	r.next, r.announced = block{}, 0
	return nil
}

// printed sets the expected output of the program before it.
func (r *reader) printed(text fragment) error {
	last := len(r.blocks) - 1
	if last < 0 || !r.blocks[last].run {
		return r.errorf(r.announced, "the block before this output is not a program that is run")
	}
	r.blocks[last].prints = &text
	r.output, r.announced = false, 0
	return nil
}
