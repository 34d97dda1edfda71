package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const modulePath = "github.com/farmountain/aureus-go"

// goPackage is a part of what go list prints about a package.
type goPackage struct {
	ImportPath   string
	Dir          string
	Name         string
	Doc          string
	Standard     bool
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// root returns the root of the repository: the folder above this one that has a
// go.work.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			readFolders(t, dir)
			return dir
		}
		parent := filepath.Dir(dir)
		require.NotEqual(t, parent, dir, "there is no go.work above this test: run it inside the repository")
		dir = parent
	}
}

// readFolders reads every folder of the repository. The go command caches a
// test result as long as the files that the test itself opened are unchanged;
// it does not know what the commands below open.
func readFolders(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && path != dir && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		return err
	}))
}

// output runs a command in the root of the repository, with the workspace
// enabled whatever the environment says, and returns its standard output.
func output(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	dir := root(t)
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOWORK="+filepath.Join(dir, "go.work"), "GOFLAGS=") // make race sets GOFLAGS that do not work with a workspace
	var problems strings.Builder
	command.Stderr = &problems
	out, err := command.Output()
	require.NoError(t, err, "%s: %s", command, problems.String())
	return out
}

// goList returns what go list prints for the patterns.
func goList(t *testing.T, args ...string) []goPackage {
	t.Helper()
	fields := "-json=ImportPath,Dir,Name,Doc,Standard,GoFiles,Imports,TestImports,XTestImports"
	decoder := json.NewDecoder(bytes.NewReader(output(t, "go", append([]string{"list", fields}, args...)...)))
	var packages []goPackage
	for {
		var next goPackage
		err := decoder.Decode(&next)
		if errors.Is(err, io.EOF) {
			return packages
		}
		require.NoError(t, err)
		packages = append(packages, next)
	}
}

// modules returns the folders of the modules in go.work, relative to the
// repository.
func modules(t *testing.T) []string {
	t.Helper()
	var work struct{ Use []struct{ DiskPath string } }
	require.NoError(t, json.Unmarshal(output(t, "go", "work", "edit", "-json"), &work))
	var dirs []string
	for _, use := range work.Use {
		dirs = append(dirs, filepath.ToSlash(filepath.Clean(use.DiskPath)))
	}
	require.NotEmpty(t, dirs, "go.work lists no module")
	return dirs
}

// allPackages returns the packages of all modules.
func allPackages(t *testing.T) []goPackage {
	t.Helper()
	var patterns []string
	for _, dir := range modules(t) {
		patterns = append(patterns, "./"+path.Join(dir, "..."))
	}
	packages := goList(t, patterns...)
	require.Greater(t, len(packages), 5, "the go command found hardly any package")
	return packages
}
