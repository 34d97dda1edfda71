package main

import (
	"maps"
	"mime"
	"slices"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	internalapproval "github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// requestRows are the rows of what the digest of the approval covers and no other line
// says: not the names, the tool and the preview. Each has a name and a value.
func requestRows(a *aureus.Approval) (rows [][]string) {
	add := func(name, value string) { rows = append(rows, []string{name, value}) }
	if call := a.HTTP; call != nil {
		target := call.Method + " " + call.Host + call.Path
		if call.Query != "" {
			target += "?" + call.Query
		}
		add("HTTP", target)
		for _, name := range slices.Sorted(maps.Keys(call.Headers)) {
			add("header "+name, strings.Join(call.Headers[name], ", "))
		}
		if call.ContentType != "" {
			add("content type", call.ContentType)
		}
		if call.ContentEncoding != "" {
			add("content encoding", call.ContentEncoding)
		}
		rows = append(rows, bodyRows(call)...)
	}
	if a.Arguments != nil {
		flatten("", a.Arguments, add)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Action.Metadata)) {
		inFacts := name == "effect_class" && effectClass(a) != ""
		if !inFacts && name != internalapproval.PreviewName {
			flatten("metadata."+name, a.Action.Metadata[name], add)
		}
	}
	for _, p := range a.Action.RequiredPermissions {
		text := p.Action + " on " + p.Resource
		if p.Intent != "" {
			text += ", intent " + string(p.Intent)
		}
		if p.DataZone != "" {
			text += ", zone " + string(p.DataZone)
		}
		if len(p.Conditions) > 0 {
			text += ", if " + jsonText(p.Conditions)
		}
		add("requires", text)
	}
	if a.Action.Intent != "" {
		add("intent", string(a.Action.Intent))
	}
	if a.Action.DataZone != "" {
		add("data zone", string(a.Action.DataZone))
	}
	return rows
}

// previewRows are the rows of what a preview of the change found, if there was one: see
// guard.WithPreview. The digest covers it.
func previewRows(a *aureus.Approval) (rows [][]string) {
	if found, ok := a.Action.Metadata[internalapproval.PreviewName]; ok {
		flatten("preview", found, func(name, value string) { rows = append(rows, []string{name, value}) })
	}
	return rows
}

// bodyRows are the values of a body in JSON, or the lines of another text.
func bodyRows(call *aureus.HTTPCall) (rows [][]string) {
	if len(call.Body) == 0 {
		return nil
	}
	add := func(name, value string) { rows = append(rows, []string{name, value}) }
	if kind, _, err := mime.ParseMediaType(call.ContentType); err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json")) {
		if value, err := strictjson.Parse(call.Body); err == nil {
			flatten("body", value, add)
			return rows
		}
	}
	text, err := call.Body.MarshalText()
	if err != nil {
		text = call.Body
	}
	name := "body"
	for line := range strings.Lines(string(text)) {
		add(name, strings.TrimRight(line, "\r\n"))
		name = ""
	}
	return rows
}

// flatten calls add for each value that is not an object or a list, and for empty ones,
// with the names that lead to it, such as items[0].price.
func flatten(path string, value any, add func(path, value string)) {
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			flatten(memberPath(path, name), v[name], add)
		}
		if len(v) > 0 {
			return
		}
	case []any:
		for n, item := range v {
			flatten(path+"["+strconv.Itoa(n)+"]", item, add)
		}
		if len(v) > 0 {
			return
		}
	}
	if path == "" {
		path = "arguments"
	}
	add(path, jsonText(value))
}

// memberPath writes names that are not plain in quotes, so that two different values never
// have the same path.
func memberPath(path, name string) string {
	plain := name != ""
	for n, r := range name {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		plain = plain && (letter || n > 0 && (r == '-' || r >= '0' && r <= '9'))
	}
	switch {
	case !plain:
		return path + "[" + jsonText(name) + "]"
	case path == "":
		return name
	}
	return path + "." + name
}

// jsonText is a value in JSON.
func jsonText(value any) string {
	text, err := strictjson.MarshalText(value)
	if err != nil {
		return "a value that has no JSON form"
	}
	return string(text)
}
