"""The archive's wire form: XNAT's REST protocol over HTTP."""
