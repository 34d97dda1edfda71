package doctest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// commands are the commands that shell blocks may use. The responses to curl
// are checked where the server is tested.
var commands = []string{"aureus", "bin/aureus", "cd", "curl", "export", "git", "go", "make"}

// checkShell returns an error if the block names a command, target, package or folder
// that does not exist.
func (b block) checkShell(root string) error {
	for _, words := range b.commandLines() {
		for len(words) > 1 && assignment.MatchString(words[0]) {
			words = words[1:] // an assignment before the command
		}
		name, arguments := words[0], words[1:]
		if !slices.Contains(commands, name) {
			return b.errorf("%q is not one of the commands that pages may use: %s", name, strings.Join(commands, ", "))
		}
		var err error
		switch name {
		case "make":
			err = checkMake(root, arguments)
		case "go":
			err = checkGo(root, arguments)
		case "cd":
			err = checkFolder(root, strings.Join(arguments, " "))
		}
		if err != nil {
			return b.errorf("%s: %w", strings.Join(words, " "), err)
		}
	}
	return nil
}

var (
	assignment = regexp.MustCompile(`^[A-Z_]+=`)
	// A comment, a word with its quotes, or the operators and line ends between commands.
	lexeme = regexp.MustCompile(`#[^\n]*|(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\|&;])+|[|&;\n]+`)
)

// commandLines returns the commands of the block as lists of words. In a
// console block only the lines after a prompt are commands.
func (b block) commandLines() [][]string {
	text := strings.ReplaceAll(b.text, "\\\n", " ")
	if b.language == "console" {
		var typed strings.Builder
		for line := range strings.Lines(text) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				typed.WriteString(command)
			}
		}
		text = typed.String()
	}
	lines := [][]string{nil}
	for _, found := range lexeme.FindAllString(text, -1) {
		switch last := &lines[len(lines)-1]; {
		case strings.HasPrefix(found, "#"):
		case strings.Trim(found, "|&;\n") == "":
			lines = append(lines, nil)
		default:
			*last = append(*last, strings.Trim(found, `'"`))
		}
	}
	return slices.DeleteFunc(lines, func(words []string) bool { return len(words) == 0 })
}

func checkMake(root string, arguments []string) error {
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		return err
	}
	for _, target := range arguments {
		if strings.HasPrefix(target, "-") || strings.Contains(target, "=") {
			continue
		}
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(target) + `:`).Match(text) {
			return fmt.Errorf("the Makefile has no target %s", target)
		}
	}
	return nil
}

// checkGo checks that the named packages exist.
func checkGo(root string, arguments []string) error {
	for _, argument := range arguments {
		folder, ours := strings.CutPrefix(argument, "github.com/farmountain/aureus-go")
		if !ours && !strings.HasPrefix(argument, "./") {
			continue
		}
		folder, _, _ = strings.Cut(folder, "@")
		if err := checkFolder(root, strings.TrimSuffix(folder, "...")); err != nil {
			return err
		}
	}
	return nil
}

func checkFolder(root, folder string) error {
	if folder == "aureus-go" { // the folder that git clone creates
		return nil
	}
	info, err := os.Stat(filepath.Join(root, filepath.FromSlash(folder)))
	if err != nil || !info.IsDir() {
		return fmt.Errorf("the repository has no folder %s", folder)
	}
	return nil
}
