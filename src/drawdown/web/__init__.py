"""What the dialects' HTTP sides share: the endpoint table, dispatch, decoding, auth, errors."""
