"""Sync-C and Sync-D: how well lips fit a voice, by SyncNet v2 (Chung and Zisserman, 2016).

The arithmetic is that of joonson/syncnet_python, against which it is tested through the package syncnet-python:
tracks of faces (tracks.py), crops (crop.py), MFCC (mfcc.py), the network (syncnet.py), distances and what is read from
them (scores.py). film.py measures a film with several people by all of it. Figures compare within one implementation
only: cropping by another detector, or a film that went through another codec, moves them.
"""
