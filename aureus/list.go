package aureus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxPage bounds one page of a list, in bytes.
	maxPage = 256 << 20
	// maxEmptyPages bounds how many pages in a row may have no item.
	maxEmptyPages = 1000
)

// Collect gathers what an iterator of the client yields. It returns what came
// before an error together with the error.
func Collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	items := []T{}
	for item, err := range seq {
		if err != nil {
			return items, err
		}
		items = append(items, item)
	}
	return items, nil
}

// list yields the items of a bare array, page by page, one item in memory at a
// time. An error is yielded once, as the last thing.
func list[T any](ctx context.Context, c *Client, op, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		query := maps.Clone(query)
		empty := 0 // pages without an item, in a row
		for {
			var cursor string
			stopped := false
			started := false
			k := call{op: op, method: http.MethodGet, path: path, query: query, class: classReads, silence: true}
			err := c.do(ctx, k, func(response *http.Response) error {
				var err error
				if cursor, err = nextCursor(response); err != nil {
					return malformed(op, err)
				}
				err = eachItem(op, response, func(item T) bool {
					started = true
					stopped = !yield(item, nil)
					return !stopped
				})
				if err == nil || !started {
					return err
				}
				broke := &brokenOff{what: "the list", cause: err} // what was yielded cannot be taken back
				if e, ours := errors.AsType[*Error](err); ours {
					changed := *e
					return broke.error(&changed)
				}
				return broke
			})
			if stopped {
				return
			}
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			if cursor == "" {
				return
			}
			if started {
				empty = 0
			} else {
				empty++
			}
			if err := mayFollow(op, query.Get("cursor"), cursor, empty); err != nil {
				var none T
				yield(none, err)
				return
			}
			query.Set("cursor", cursor)
		}
	}
}

// mayFollow refuses a next page that would lead nowhere.
func mayFollow(op, cursor, next string, empty int) error {
	switch {
	case next == cursor:
		return malformed(op, errors.New("a page of the list names itself as the next"))
	case empty >= maxEmptyPages:
		return malformed(op, fmt.Errorf("%d pages in a row have no item, and the list goes on", maxEmptyPages))
	}
	return nil
}

func eachItem[T any](op string, response *http.Response, take func(T) bool) error {
	if err := mustBeJSON(op, response); err != nil {
		return err
	}
	body := &boundedReader{reader: response.Body, left: maxPage}
	// Only the ends of the items are found here; decode is strict about the rest.
	dec := jsontext.NewDecoder(body, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	tok, err := dec.ReadToken()
	if err != nil {
		return listError(op, err)
	}
	if tok.Kind() != '[' {
		return malformed(op, errors.New("it is not a JSON array"))
	}
	var item T
	for dec.PeekKind() != ']' {
		text, err := dec.ReadValue()
		if err != nil {
			return listError(op, err)
		}
		item = *new(T)
		if err := decode(text, &item); err != nil {
			return malformed(op, fmt.Errorf("item %s: %w", dec.StackPointer(), err))
		}
		if err := mustBeConsistent(op, text, &item); err != nil {
			return err
		}
		if !take(item) {
			return nil
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return listError(op, err)
	}
	switch _, err := dec.ReadToken(); {
	case err == nil:
		return malformed(op, errors.New("there is something behind the end of the list"))
	case !errors.Is(err, io.EOF):
		return listError(op, err)
	}
	return nil
}

func listError(op string, err error) error {
	if _, syntactic := err.(*jsontext.SyntacticError); syntactic { //nolint:errorlint // a wrapped one is a failure of the connection
		return malformed(op, err)
	}
	return err
}

// nextCursor takes the cursor out of the link with rel="next" (RFC 8288), which
// is relative to the request's address. It takes nothing else: another host or
// path in it is not followed. A link that has no cursor is an error, since the
// list does go on.
func nextCursor(response *http.Response) (string, error) {
	next, found := nextLink(response.Header.Values("Link"))
	if !found {
		return "", nil
	}
	u, err := url.Parse(next)
	if err == nil {
		if cursor := u.Query().Get("cursor"); cursor != "" {
			return cursor, nil
		}
	}
	return "", errors.New("the link to the next page has no cursor")
}

// nextLink finds the target of the first link whose relations have next among
// them.
func nextLink(values []string) (target string, found bool) {
	for _, value := range values {
		for {
			_, rest, ok := strings.Cut(value, "<")
			if !ok {
				break
			}
			target, rest, ok = strings.Cut(rest, ">")
			if !ok {
				break
			}
			var params string
			params, value = cutUnquoted(rest, ',')
			if hasRelation(params, "next") {
				return target, true
			}
		}
	}
	return "", false
}

// cutUnquoted is what stands before and behind the first separator that is not
// in quotes; all of it before, where there is none.
func cutUnquoted(text string, separator byte) (before, after string) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\':
			i++
		case text[i] == '"':
			quoted = !quoted
		case !quoted && text[i] == separator:
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}

// hasRelation reports whether the parameters of a link name the relation. Only
// the first rel counts.
func hasRelation(params, relation string) bool {
	for params != "" {
		var param string
		param, params = cutUnquoted(params, ';')
		name, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "rel") {
			continue
		}
		for word := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(value), `"`)) {
			if strings.EqualFold(word, relation) {
				return true
			}
		}
		return false
	}
	return false
}

// addQuery sets what is not empty.
func addQuery(query url.Values, pairs ...string) url.Values {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return query
}

type boundedReader struct {
	reader io.Reader
	left   int64
}

func (r *boundedReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, fmt.Errorf("the page is larger than %d MiB", maxPage>>20)
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.reader.Read(p)
	r.left -= int64(n)
	return n, err
}
