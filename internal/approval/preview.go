package approval

import (
	"maps"

	"github.com/farmountain/aureus-go/aureus"
)

// PreviewName is the name in the metadata of an action under which a request has what
// the preview of the change shows to the approver: see guard.WithPreview.
const PreviewName = "preview"

// KeepPreview returns the definition of an action with the preview in the metadata of the
// action that the request has, if there is one. It does not change either metadata.
func KeepPreview(defined, asked aureus.Action) aureus.Action {
	shown, has := asked.Metadata[PreviewName]
	if !has {
		return defined
	}
	metadata := maps.Clone(defined.Metadata)
	if metadata == nil {
		metadata = make(map[string]any, 1)
	}
	metadata[PreviewName] = shown
	defined.Metadata = metadata
	return defined
}
