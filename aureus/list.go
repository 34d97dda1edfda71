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
	// maxPage limits one page of a list, in bytes.
	maxPage = 256 << 20
	// maxEmptyPages limits how many pages in a row may have no item.
	maxEmptyPages = 1000
)

// Collect reads an iterator of the client, such as [Client.Audit], into a slice. If the
// iterator yields an error, Collect returns the items before it and the error.
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

// list yields the items of a JSON array, page by page, with one item in memory at a
// time. It yields at most one error, as the last thing.
func list[T any](ctx context.Context, c *Client, op, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		query := maps.Clone(query)
		empty := 0 // pages without an item, in a row
		for {
			var cursor string
			stopped := false
			started := false
			k := call{op: op, method: http.MethodGet, path: path, query: query, class: classReads, idleTimeout: true}
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
				broke := &brokenOff{what: "the list", cause: err} // the caller has some of the items
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

// mayFollow returns an error for a list that would never end.
func mayFollow(op, cursor, next string, empty int) error {
	switch {
	case next == cursor:
		return malformed(op, errors.New("a page of the list links to itself as the next page"))
	case empty >= maxEmptyPages:
		return malformed(op, fmt.Errorf("%d pages in a row have no item, and the list does not end", maxEmptyPages))
	}
	return nil
}

func eachItem[T any](op string, response *http.Response, take func(T) bool) error {
	if err := mustBeJSON(op, response); err != nil {
		return err
	}
	body := &boundedReader{reader: response.Body, left: maxPage}
	// The decoder only finds where each item ends; decode checks it strictly.
	dec := jsontext.NewDecoder(body, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	tok, err := dec.ReadToken()
	if err != nil {
		return listError(op, err)
	}
	if tok.Kind() != '[' {
		return malformed(op, errors.New("the response is not a JSON array"))
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
		return malformed(op, errors.New("there is data after the end of the list"))
	case !errors.Is(err, io.EOF):
		return listError(op, err)
	}
	return nil
}

func listError(op string, err error) error {
	if _, syntactic := err.(*jsontext.SyntacticError); syntactic { //nolint:errorlint // a wrapped one comes from the connection
		return malformed(op, err)
	}
	return err
}

// nextCursor is the query parameter cursor of the link with rel="next" (RFC 8288);
// empty if there is no such link. The rest of the link is ignored, so that it cannot
// lead to another host or path. A link without a cursor is an error, since the list
// has another page.
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

// nextLink finds the target of the first link with the relation next.
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

// cutUnquoted cuts the text around the first separator that is not in quotes. Without
// one, before is the whole text.
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

// addQuery sets the pairs of name and value whose value is not empty.
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
