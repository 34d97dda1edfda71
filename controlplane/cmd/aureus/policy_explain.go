package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// requestFlags are the flags of policy explain that describe a request.
type requestFlags struct {
	request, test, at                   *string
	principal, kind, claims, onBehalfOf *string
	action, tool, route                 *string
	arguments, method, path, host       *string
	used                                map[string]float64 // of budgets
}

// describing lists the flags that describe a request piece by piece.
var describing = []string{"principal", "type", "claims", "on-behalf-of", "action", "tool", "route", "arguments", "method", "path", "host"}

func newRequestFlags(c *policyCommand) *requestFlags {
	text := func(name, usage string) *string { return c.flags.String(name, "", usage) }
	f := &requestFlags{
		request: text("request", "the `file` with the request as JSON, in the form that POST /api/v1/policy/evaluate takes; - reads standard input"),
		test:    text("test", "the `name` of a test in the bundle, whose request is explained"),
		at:      text("at", "the `time` of the decision, in RFC 3339; without it, now, and with --test the time of the test"),

		principal: text("principal", "the `id` of the principal that asks"), kind: text("type", "the type of the principal"),
		claims:     text("claims", "what authentication established about the principal, a `JSON` object"),
		onBehalfOf: text("on-behalf-of", "the `id` of the principal that it acts for"),
		action:     text("action", "the `id` of the action"), tool: text("tool", "the `name` of the tool"),
		route:     text("route", "the `pattern` of the route, such as \"GET /accounts/{id}\""),
		arguments: text("arguments", "the arguments, a `JSON` object"),
		method:    text("method", "the method of the HTTP request"), path: text("path", "its path"), host: text("host", "its host"),
		used: map[string]float64{},
	}
	c.flags.Func("used", "how much of a budget is used already, as `BUDGET=AMOUNT`; may be repeated. Without it, nothing is used, or with --test what the test says", func(text string) error {
		id, amount, found := strings.Cut(text, "=")
		number, err := strconv.ParseFloat(amount, 64)
		if !found || err != nil {
			return errors.New("must be the id of a budget, = and a number, such as hourly=4500")
		}
		f.used[id] = number
		return nil
	})
	return f
}

// read returns the request that the flags describe, and the time of the decision.
func (f *requestFlags) read(ctx context.Context, c *policyCommand, bundle *policy.Bundle) (request aureus.Request, at time.Time, err error) {
	ways := []bool{c.given("test"), c.given("request"), slices.ContainsFunc(describing, c.given)}
	switch n := len(slices.DeleteFunc(slices.Clone(ways), func(way bool) bool { return !way })); {
	case n == 0:
		return request, at, errors.New("a request is needed: --test, --request, or --principal with --action, --tool or --route")
	case n > 1:
		return request, at, errors.New("--test, --request and the flags that describe a request cannot be used together")
	case ways[2] && (*f.principal == "" || *f.action == "" && *f.tool == "" && *f.route == ""):
		return request, at, errors.New("a request needs --principal, and --action, --tool or --route")
	}
	at = time.Now()
	switch {
	case ways[0]:
		var used map[string]float64
		if request, at, used, err = testOf(ctx, bundle, *f.test); err != nil {
			return request, at, err
		}
		maps.Copy(used, f.used) // a flag takes precedence
		f.used = used
	case ways[1]:
		request, err = requestFromFile(*f.request)
	default:
		request, err = f.describe(c)
	}
	if err == nil && c.given("at") {
		if at, err = time.Parse(time.RFC3339, *f.at); err != nil {
			err = fmt.Errorf("--at must be a time of RFC 3339 such as 2026-11-30T03:00:00+01:00: %w", err)
		}
	}
	return request, at, err
}

// maxNames is how many names an error lists.
const maxNames = 10

// testOf returns the request of a test, or an error that lists the tests.
func testOf(ctx context.Context, bundle *policy.Bundle, name string) (request aureus.Request, at time.Time, used map[string]float64, err error) {
	request, at, used, found := bundle.TestRequest(name)
	if found {
		return request, at, used, nil
	}
	var names []string
	for _, test := range bundle.Check(ctx).Tests {
		names = append(names, strconv.Quote(test.Name))
	}
	switch {
	case len(names) == 0:
		return request, at, nil, fmt.Errorf("--test: the bundle has no test named %q, and no others", name)
	case len(names) > maxNames:
		names = append(names[:maxNames], "…")
	}
	return request, at, nil, fmt.Errorf("--test: the bundle has no test named %q; it has %s", name, strings.Join(names, ", "))
}

// maxRequestFile is the maximum number of bytes of a request.
const maxRequestFile = 16 << 20

func requestFromFile(file string) (aureus.Request, error) {
	text, err := readBounded(file, maxRequestFile)
	if err != nil {
		return aureus.Request{}, fmt.Errorf("--request: %w", err)
	}
	var body aureus.PolicyContext
	if err := strictjson.Unmarshal(text, &body); err != nil {
		return aureus.Request{}, fmt.Errorf("--request: %s is not a request: %w", file, err)
	}
	return body.Request(), nil
}

// describe returns the request of the single flags.
func (f *requestFlags) describe(c *policyCommand) (request aureus.Request, err error) {
	request = aureus.Request{
		Principal: aureus.Principal{ID: *f.principal, Type: *f.kind}, OnBehalfOf: *f.onBehalfOf,
		Action: aureus.Action{ID: *f.action}, Tool: *f.tool, Route: *f.route,
	}
	if request.Principal.Claims, err = objectOf("--claims", *f.claims); err != nil {
		return request, err
	}
	if c.given("arguments") {
		arguments, err := objectOf("--arguments", *f.arguments)
		if err != nil {
			return request, err
		}
		request.Arguments = arguments
	}
	if c.given("method") || c.given("path") || c.given("host") {
		request.HTTP = &aureus.HTTPCall{Method: *f.method, Path: *f.path, Host: *f.host}
	}
	return request, nil
}

// objectOf parses a JSON object that a flag holds; nil if the flag is empty.
func objectOf(flagName, text string) (map[string]any, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no object
	}
	value, err := strictjson.Parse([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flagName, err)
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf(`%s must be a JSON object such as {"id": "acme"}`, flagName)
	}
	return object, nil
}

// policyExplain says how a bundle decides one request. A bundle whose tests fail is
// explained too.
func policyExplain(ctx context.Context, c *policyCommand) error {
	flags := newRequestFlags(c)
	if err := c.parse("FILE"); err != nil {
		return err
	}
	bundle, err := readUntested(c.flags.Arg(0), nil)
	if err != nil {
		return fmt.Errorf("%s: %w", c.flags.Arg(0), err)
	}
	request, at, err := flags.read(ctx, c, bundle)
	if err != nil {
		return err
	}
	explanation, err := bundle.ExplainUsed(ctx, request, at, flags.used)
	if err != nil {
		return fmt.Errorf("--used: %w", err)
	}
	if c.out.json {
		text, err := json.Marshal(explanation)
		if err != nil {
			return err
		}
		return c.out.print(json.RawMessage(text))
	}
	return c.printExplanation(&explanation)
}

func (c *policyCommand) printExplanation(x *policy.Explanation) error {
	for _, line := range []string{fmt.Sprintf("%s: %s by %s", strings.ToUpper(x.Effect.String()), x.ReasonCode, shown(x.Rule)), "  " + shown(x.Reason), ""} {
		if err := c.wrapped(line); err != nil {
			return err
		}
	}
	roles := strings.Join(x.Roles, ", ")
	rows := [][]string{{"principal", x.Principal}, {"roles", orDash(roles)}, {"action", orDash(x.Action)}, {"tier", orDash(string(x.RiskTier))}, {"bundle", x.Bundle}, {"time", x.Time.Format(time.RFC3339)}}
	if err := c.table(rows); err != nil {
		return err
	}
	rows = [][]string{}
	for n := range x.Considered {
		rows = appendConsidered(rows, &x.Considered[n], 0)
	}
	if len(rows) > 0 {
		if err := c.printf("\n"); err != nil {
			return err
		}
		if err := c.table(append([][]string{{"LINE", "PART", "RESULT", ""}}, rows...)); err != nil {
			return err
		}
	}
	var lines []string
	if len(x.Obstacles) > 0 {
		lines = append(lines, "", "What stands against an allow:")
	}
	for _, o := range x.Obstacles {
		lines = append(lines, fmt.Sprintf("  - %s: %s", o.ReasonCode, shown(o.Reason)))
		for _, advice := range o.Advice {
			lines = append(lines, "      "+shown(advice))
		}
	}
	if x.Incomplete != "" {
		lines = append(lines, "", "The explanation is not complete: "+x.Incomplete)
	}
	for _, line := range lines {
		if err := c.wrapped(line); err != nil {
			return err
		}
	}
	return nil
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// results has the words for a part that applies and for one that does not.
var results = map[string][2]string{
	"action": {"found", "not found"}, "principal": {"known", "not known"}, "assign": {"gives the role", "does not give it"},
	"permission": {"held", "missing"}, "grant": {"grants it", "does not count"}, "tier_when": {"selects it", "does not"},
	"rule": {"matches", "does not match"}, "budget": {"no room", "has room"}, "answer": {"against", "allow"},
}

// appendConsidered adds the rows of a part: one for itself, and one for each
// sub-expression of its condition. A star marks those that decide.
func appendConsidered(rows [][]string, c *policy.Considered, depth int) [][]string {
	result := results[c.Kind][1]
	switch {
	case c.Applies:
		result = results[c.Kind][0]
	case c.Failed != "":
		result = "failed"
	}
	line := "-"
	if c.Line > 0 {
		line = fmt.Sprintf("%d:%d", c.Line, c.Column)
	}
	indent := strings.Repeat("  ", depth)
	why := c.Why
	if c.Failed != "" && len(c.Steps) == 0 {
		why = strings.TrimSpace(why + ": " + c.Failed)
	}
	rows = append(rows, []string{line, indent + c.Kind + " " + c.Name, result, why})
	if c.When != "" && len(c.Steps) == 0 {
		rows = append(rows, []string{"", indent + "    " + c.When, "", ""})
	}
	for _, step := range c.Steps {
		mark := "  "
		if step.Decides {
			mark = "* "
		}
		value, why := step.Value, ""
		switch {
		case step.Failed != "":
			value, why = "error", step.Failed
		case value == "":
			value = "not needed"
		}
		rows = append(rows, []string{"", indent + "  " + mark + strings.Repeat("  ", step.Depth) + step.Text, value, why})
	}
	if c.More {
		rows = append(rows, []string{"", indent + "    …", "", "the condition has more parts"})
	}
	for n := range c.Parts {
		rows = appendConsidered(rows, &c.Parts[n], depth+1)
	}
	return rows
}
