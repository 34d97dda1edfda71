package controlplane_test

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/farmountain/aureus-go/controlplane"
)

// probe: reads lines METHOD PATH BODY from PROBE file and prints answers.
func TestProbe(t *testing.T) {
	file := os.Getenv("PROBE")
	if file == "" {
		t.Skip()
	}
	srv := open(t, func(c *controlplane.Config) { c.Validators = hostFunctions; c.Now = crvClock; c.Logger = nil })
	s := newSite(t, srv)
	s.witness.t = t
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<26)
	for sc.Scan() {
		line := sc.Text()
		if line == "" || line[0] == '#' {
			fmt.Println(line)
			continue
		}
		p := strings.SplitN(line, " ", 3)
		body := ""
		if len(p) > 2 {
			body = p[2]
		}
		who := s
		if strings.HasPrefix(p[0], "O:") {
			who = s.as(s.operator)
			p[0] = p[0][2:]
		}
		got := who.send(t, p[0], p[1], body)
		show := got.body
		if len(show) > 900 {
			show = show[:900]
		}
		fmt.Printf("> %.300s\n   %d %s\n", line, got.status, strings.TrimSpace(show))
	}
}
