"""A demo that needs no site, no licence and no data of real patients.

A cohort is made from one real head image, put into an archive, and run through Nipype's own
``fsl.BET``; a small executable of that name stands in where FSL is not installed.

==========  =================================================================
``heads``   many heads from one: image, second contrast and true brain mask
``cohort``  who is in the demo archive: subjects, sessions, scans, files
``seed``    writes that cohort into a running archive
``bet``     a stand-in for FSL's ``bet``, with its command line
``report``  one self-contained HTML page of what a run gave
==========  =================================================================

Importing this package imports none of them.
"""
