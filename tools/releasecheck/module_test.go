package main

import (
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

func TestInstallable_InvalidGoMod_IsRefused(t *testing.T) {
	const plain = "module " + modulePrefix + "/x\n\ngo 1.26.0\n\nrequire " + modulePrefix + " v1.2.3\n"
	for reason, row := range map[string]struct{ text, want string }{
		"a valid module": {plain, ""},
		"a replace":      {plain + "\nreplace " + modulePrefix + " => ../\n", "replace"},
		"an exclude":     {plain + "\nexclude " + modulePrefix + " v1.2.2\n", "exclude"},
		"another version of a module of this repository": {strings.ReplaceAll(plain, "v1.2.3", "v0.0.0"), "requires " + modulePrefix + " v0.0.0"},
		"another version of a module of others":          {plain + "\nrequire example.com/other v0.1.0\n", ""},
	} {
		t.Run(reason, func(t *testing.T) {
			file, err := modfile.Parse("go.mod", []byte(row.text), nil)
			if err != nil {
				t.Fatal(err)
			}
			err = installable(file, "v1.2.3")
			if (err == nil) != (row.want == "") || (err != nil && !strings.Contains(err.Error(), row.want)) {
				t.Errorf("got %v, want an error with %q", err, row.want)
			}
		})
	}
}

func TestInside_NestedModule_IsOmitted(t *testing.T) {
	below := map[string]bool{"controlplane": true}
	for name, want := range map[string]bool{"go.mod": false, "aureus/client.go": false, "controlplane/go.mod": true, "controlplane/cmd/aureus/main.go": true} {
		if got := inside(name, below); got != want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
